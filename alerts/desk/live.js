// Loads the page again every two seconds and puts the new content in place of the old.
// Without JavaScript the page reloads itself every ten seconds instead.
"use strict";
let tag = null;

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
    document.getElementById("main").replaceWith(fresh.getElementById("main"));
    document.getElementById("when").replaceWith(fresh.getElementById("when"));
    [...document.querySelectorAll(".wide")].forEach((e, i) => { e.scrollLeft = scrolled[i] || 0; });
  } catch {
    lost.hidden = false;
  }
}

setInterval(refresh, 2000);
