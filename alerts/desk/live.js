// Loads the page again every two seconds and puts the new content in place of the old.
// Without JavaScript the page reloads itself every ten seconds instead.
"use strict";
let tag = null;

function linksTo(href) {
  return [...document.querySelectorAll("main a")].filter((e) => e.href === href);
}

// Which link has the keyboard's focus, by where it leads and which of those it is: the new content has it too.
function focusedLink() {
  const link = document.activeElement;
  if (link === null || link.closest("main") === null || !link.href) return null;
  return { href: link.href, n: linksTo(link.href).indexOf(link) };
}

async function refresh() {
  const lost = document.getElementById("lost");
  if (document.hidden || String(document.getSelection()) !== "") return;
  try {
    const answer = await fetch(location.href, {
      headers: tag === null ? {} : { "If-None-Match": tag },
      cache: "no-store",
    });
    lost.hidden = answer.status < 500;
    if (answer.status !== 200) return;
    tag = answer.headers.get("ETag");
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const scrolled = [...document.querySelectorAll(".wide")].map((e) => e.scrollLeft);
    const focused = focusedLink();
    document.getElementById("main").replaceWith(fresh.getElementById("main"));
    document.getElementById("when").replaceWith(fresh.getElementById("when"));
    document.title = fresh.title;
    [...document.querySelectorAll(".wide")].forEach((e, i) => { e.scrollLeft = scrolled[i] || 0; });
    if (focused !== null) linksTo(focused.href)[focused.n]?.focus({ preventScroll: true });
  } catch {
    lost.hidden = false;
  }
}

setInterval(refresh, 2000);
