"""The desk page over real HTTP, and Prometheus' view of it."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from alerts.channels.slack import Webhook
from alerts.consumer import FindingsConsumer
from alerts.delivery import ChannelDelivery
from alerts.desk.chart import chart, ticks, timeline
from alerts.desk.incident import FINDINGS_SHOWN as INCIDENT_FINDINGS_SHOWN
from alerts.desk.line_health import MEANING, percentile
from alerts.desk.overview import INCIDENTS_SHOWN
from alerts.desk.server import Desk
from alerts.incidents import Pace
from alerts.metrics import LINE_COUNTS
from alerts.notify import Timing
from alerts.outbox import Outbox
from alerts.render import RuleNote
from alerts.service import AlertService, Received
from alerts.store import Store
from alerts.totals import RunningTotals, hops
from monitor.config.settings import Alert, Kafka, Link
from monitor.engine.engine import Engine, EngineConfig
from monitor.policy import file
from monitor.wire import codec
from rules import RULES
from tests.alerts.alert_samples import MS, NANO, T0, S, execution, finding, health, steps

HOSTILE = "</script><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>\u202e"
NOTE = RuleNote(title="Slow order", runbook="1. Which hop?", blind_to="halts")
NOW = T0 + 2 * S


def uncounted(channel: str, outcome: str) -> None:
    """No attempt is made in these tests."""


class Page:
    """A desk with a service behind it, and no Kafka."""

    def __init__(self, directory: Path) -> None:
        self.store = Store(directory)
        timing, pace = Timing(gather_ns=0, again_ns=S), Pace(growing_ns=S, close_ns=900 * S)
        notes = {"slow_order": NOTE}
        self.service = AlertService(self.store, Outbox(self.store), notes, timing, pace, ("slack",), "http://desk")
        self.consumer = FindingsConsumer(
            Kafka(bootstrap=("127.0.0.1:1",)), self.store.offsets, lambda batch: None, lambda: NOW
        )
        self.consumer.trouble = None
        delivery = ChannelDelivery(
            Webhook("http://127.0.0.1:1/"), self.store, self.service.outbox, lambda: NOW, uncounted
        )
        links = (Link(name="received notices", url="http://127.0.0.1:1/received"),)
        self.desk = Desk(self.service, [delivery], self.consumer, Alert(page="127.0.0.1:0", links=links), lambda: NOW)
        self.url = ""
        self._offset = 0

    def say(self, topic: str, *values: Any) -> None:
        self._offset += 1
        value = codec.encode_lines(values)
        self.service.take([Received(topic=topic, part=0, offset=self._offset, value=value)], NOW)

    async def get(self, path: str, **headers: str) -> tuple[int, str, Mapping[str, str]]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path, headers=headers) as answer:
            return answer.status, await answer.text(), answer.headers


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    made = Page(tmp_path)
    made.url = f"http://127.0.0.1:{await made.desk.start()}"
    yield made
    await made.desk.stop()
    made.store.close()


async def test_nothing_heard_is_not_the_same_as_no_incidents(page: Page) -> None:
    _, text, _ = await page.get("/")
    assert "Nothing has been heard from the worker yet" in text
    assert "No incidents" not in text
    page.say("line", health())
    _, text, _ = await page.get("/")
    assert "No incidents: the worker is heard" in text
    assert "Nothing has been heard" not in text


async def test_the_first_page_shows_incidents_findings_line_and_notices(page: Page) -> None:
    page.say("findings", finding(), finding("C2", certainty="possible"))
    page.say("line", health(), health(1, silent=("nbbo",)))
    page.service.tell(NOW)
    _, text, _ = await page.get("/")
    for part in ("ARCX", "1 possible", "2,400", "Set aside because they are silent: nbbo", "DROP1 up", "pending"):
        assert part in text
    assert "[warning] New: Slow order at ARCX (ACME): 1 order" in text
    assert 'href="http://127.0.0.1:1/received"' in text


async def test_an_old_word_of_the_worker_is_called_old(page: Page) -> None:
    page.say("line", health(wall=NOW - 60 * S))
    assert "was last heard 1 min ago: what it says is old" in (await page.get("/"))[1]


async def test_an_order_shows_its_story_evidence_and_history(page: Page) -> None:
    page.say("findings", finding())
    page.say("findings", finding(revision=1, state="withdrawn", reason="busted"))
    page.say("executions", execution(state="busted", revision=1))
    status, text, _ = await page.get("/order/C1")
    assert status == 200
    assert text.count("<circle") == 1
    assert "312 ms" in text
    assert "revision 1" in text
    assert "withdrawn, confirmed: busted" in text
    assert "187.07" in text


async def test_an_incident_shows_its_example_runbook_and_attempts(page: Page) -> None:
    page.say("findings", finding())
    page.service.tell(NOW)
    (incident,) = page.service.incidents.ids()
    status, text, _ = await page.get(f"/incident/{incident}")
    assert status == 200
    for part in ("1. Which hop?", "halts", "Not tried yet", "the vendor&#x27;s service level"):
        assert part in text


@pytest.mark.parametrize("path", ["/incident/nothing", "/order/nothing", "/static/../app.py", "/static/server.py"])
async def test_what_is_not_there_is_404(page: Page, path: str) -> None:
    status, text, _ = await page.get(path)
    assert status == 404
    assert "Traceback" not in text


async def test_hostile_text_stays_text(page: Page) -> None:
    order = "../" + HOSTILE + "/?#%2f"
    page.say(
        "findings",
        finding(
            order,
            title=HOSTILE,
            symbol=HOSTILE,
            venue=HOSTILE,
            vendor=HOSTILE,
            session=HOSTILE,
            reason=HOSTILE,
            evidence={HOSTILE: HOSTILE},
            steps=steps(order, venue=HOSTILE),
        ),
    )
    page.say("line", health(sessions={HOSTILE: "up"}, silent=(HOSTILE,), sources={HOSTILE: 1}, counts={HOSTILE: 1}))
    page.service.tell(NOW)
    page.service.take([Received(topic="dead_letters", part=0, offset=0, value=b"<script>", reason=HOSTILE)], NOW)
    (incident,) = page.service.incidents.ids()
    _, first, headers = await page.get("/")
    links = re.findall(r'href="(/order/[^"]+)"', first)
    assert links
    for path in ("/", f"/incident/{incident}", links[0]):
        status, text, _ = await page.get(path)
        assert status == 200
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "\u202e" not in text
        assert re.findall(r"<script[^>]*>", text) == ['<script src="/static/live.js" defer="defer">']
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]


async def test_what_is_wrong_with_the_line_stands_before_everything_else(page: Page) -> None:
    page.say("findings", finding())
    page.say("line", health(sessions={"DROP1": "down", "DROP2": "up"}), health(1, silent=("nbbo",), wall=NOW - 60 * S))
    _, text, _ = await page.get("/")
    first = text[: text.index("<h2>Incidents</h2>")]
    for part in ("FIX session DROP1 is down", "silent: nbbo", "Partition 1 was last heard 1 min ago", "1 of 2 up"):
        assert part in first


async def test_the_line_is_as_far_behind_as_the_slowest_partition_of_sources_that_spoke(page: Page) -> None:
    page.say("line", health(), health(1, watermark=NOW - 21 * S))
    _, text, _ = await page.get("/")
    assert re.search(r'class="tile bad"><b>20 s</b><span>behind', text)
    page.say("line", health(1, wall=NOW, watermark=None))
    assert re.search(r'class="tile bad"><b>waiting</b>', (await page.get("/"))[1])


async def test_incidents_beyond_those_shown_are_counted_and_said(page: Page) -> None:
    page.say("findings", *(finding(f"C{i}", venue=f"V{i:03d}") for i in range(INCIDENTS_SHOWN + 50)))
    page.say("line", health())
    _, text, _ = await page.get("/")
    assert f"<b>{INCIDENTS_SHOWN + 50}</b><span>open incidents" in text
    assert f"The {INCIDENTS_SHOWN} most urgent of {INCIDENTS_SHOWN + 50}" in text


async def test_an_order_in_two_incidents_is_one_order(page: Page) -> None:
    page.say("findings", finding("C1", id="a"), finding("C1", id="b", rule="poor_fill"), finding("C2", id="c"))
    assert "<b>2</b><span>orders in them" in (await page.get("/"))[1]


async def test_findings_beyond_those_shown_are_said(page: Page) -> None:
    page.say("findings", *(finding(f"C{i}") for i in range(INCIDENT_FINDINGS_SHOWN + 1)))
    (incident,) = page.service.incidents.ids()
    _, text, _ = await page.get(f"/incident/{incident}")
    assert f"The newest {INCIDENT_FINDINGS_SHOWN} of {INCIDENT_FINDINGS_SHOWN + 1} findings" in text
    assert f"/api/findings.json?limit={INCIDENT_FINDINGS_SHOWN + 1}&amp;incident={incident}" in text


async def test_what_was_withdrawn_is_not_called_confirmed_and_costs_nothing(page: Page) -> None:
    page.say("findings", finding(cost=4_500_000_000, state="withdrawn"))
    _, text, _ = await page.get("/")
    row = text[text.index("<h2>Newest findings</h2>") : text.index("<h2>The line</h2>")]
    assert "withdrawn" in row
    assert "confirmed" not in row
    assert "$4.50" not in row


async def test_an_order_page_says_what_was_ordered_and_on_which_day(page: Page) -> None:
    page.say("findings", finding(steps=(*steps("C1"), *steps("C1", T0 + 86_400 * S))))
    _, text, _ = await page.get("/order/C1")
    assert "buy 300 IBM · vendor ACME · session DROP1" in text
    assert text.count("<small>2025-11-24</small>") == 1
    assert text.count("<small>2025-11-25</small>") == 1


async def test_a_cause_without_a_venue_names_none(page: Page) -> None:
    page.say("findings", finding(venue=None))
    (incident,) = page.service.incidents.ids()
    for path in ("/", f"/incident/{incident}", "/order/C1"):
        assert "unknown" not in (await page.get(path))[1]


async def test_every_count_of_the_worker_has_words(page: Page) -> None:
    kinds = {*Engine(file.load(None, RULES), RULES, EngineConfig()).counts, "dead_letters", "lost_messages", "holes"}
    assert kinds <= set(MEANING)
    assert kinds <= set(LINE_COUNTS)


async def test_unchanged_pages_are_not_sent_again(page: Page) -> None:
    _, _, headers = await page.get("/")
    status, text, _ = await page.get("/", **{"If-None-Match": headers["ETag"]})
    assert (status, text) == (304, "")


async def test_without_javascript_the_page_reloads_itself(page: Page) -> None:
    _, text, _ = await page.get("/")
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in text


async def test_json_says_the_same(page: Page) -> None:
    page.say("findings", finding(cost=NANO))
    page.say("line", health())
    page.service.tell(NOW)
    async with aiohttp.ClientSession(page.url) as session:
        incidents = await (await session.get("/api/incidents.json")).json()
        findings = await (await session.get("/api/findings.json")).json()
        state = await (await session.get("/api/health.json")).json()
        for limit in ("x", "9" * 5000, "-1", ""):
            assert (await session.get(f"/api/findings.json?limit={limit}")).status == 400
    assert [(i["count"], i["orders"], i["shares"], i["cost"], i["told"]["reason"]) for i in incidents] == [
        (1, 1, 300, NANO, "first")
    ]
    assert [f["id"] for f in findings] == ["f-C1"]
    assert state["line"][0]["counts"]["reports"] == 1200
    assert state["fill_to_finding_beyond_patience_ns"] == [8 * MS, 11 * MS]


async def test_another_site_cannot_read_the_page_through_dns(page: Page) -> None:
    status, text, _ = await page.get("/", Host="evil.example")
    assert status == 403
    assert "alert.base_url" in text
    assert (await page.get("/", Host="localhost:9405"))[0] == 200
    for nonsense in ("[", "", ":80", "[::"):
        assert (await page.get("/", Host=nonsense))[0] == 403


async def test_health_tells_of_kafka(page: Page) -> None:
    page.consumer.heard_at = NOW
    assert (await page.get("/healthz"))[0] == 200
    page.consumer.heard_at = NOW - 31 * S
    page.consumer.trouble = "KafkaConnectionError: refused"
    status, text, _ = await page.get("/healthz")
    assert status == 503
    assert "refused" in text


def samples(text: str) -> dict[str, float]:
    found = [s for family in text_string_to_metric_families(text) for s in family.samples]
    return {s.name + "".join(f" {k}={v}" for k, v in sorted(s.labels.items())): s.value for s in found}


async def test_prometheus_text_counts_what_was_heard(page: Page) -> None:
    assert not any(n.startswith("sorwatch_line") for n in samples((await page.get("/metrics"))[1]))
    page.say("findings", finding(), finding("C2", certainty="possible"), finding())
    page.say("executions", execution(), execution("C2", quote_state="crossed", effective_spread=None))
    page.say("executions", execution(), execution(revision=1, state="busted"))
    page.say("line", health())
    page.service.tell(NOW)
    found = samples((await page.get("/metrics"))[1])
    labels = "rule=slow_order severity=warning vendor=ACME venue=ARCX"
    assert found[f"sorwatch_findings_total certainty=confirmed change=new {labels}"] == 1
    assert found[f"sorwatch_findings_total certainty=confirmed change=repeated {labels}"] == 1
    assert found[f"sorwatch_findings_total certainty=possible change=new {labels}"] == 1
    assert found["sorwatch_executions_total quote_state=ok"] == 1
    assert found["sorwatch_executions_total quote_state=crossed"] == 1
    assert found["sorwatch_shares vendor=ACME venue=ARCX"] == 300
    assert found["sorwatch_scored_shares vendor=ACME venue=ARCX"] == 0
    assert found["sorwatch_effective_spread_dollars vendor=ACME venue=ARCX"] == 0
    assert found["sorwatch_hop_seconds_count hop=route_to_ack vendor=ACME venue=ARCX"] == 2
    assert found["sorwatch_hop_seconds_bucket hop=route_to_ack le=0.5 vendor=ACME venue=ARCX"] == 2
    assert found["sorwatch_hop_seconds_bucket hop=route_to_ack le=0.25 vendor=ACME venue=ARCX"] == 0
    assert found["sorwatch_fill_to_finding_seconds_bucket le=0.01"] == 1
    assert found["sorwatch_line_watermark_lag_seconds partition=0"] == pytest.approx(0.012)
    assert found["sorwatch_line_events_total kind=garbled partition=0"] == 1
    assert found["sorwatch_incidents rule=slow_order state=open"] == 1
    assert found["sorwatch_notices channel=slack state=pending"] == 1


async def test_labels_are_bounded_whatever_is_sent(page: Page) -> None:
    hostile = [f"V{i:03d}" for i in range(500)] + ["x" * 9, "lower", "é", "A B"]
    page.say("findings", *(finding(f"O{i}", venue=v, vendor=v, rule=f"r{i}") for i, v in enumerate(hostile)))
    page.say("executions", *(execution(f"O{i}", venue=v, vendor=v) for i, v in enumerate(hostile)))
    page.say("line", health(counts={f"k{i}": 1 for i in range(300)}, sessions={f"S{i}": "up" for i in range(300)}))
    _, text, _ = await page.get("/metrics")
    values: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            for name, value in sample.labels.items():
                values.setdefault(name, set()).add(value)
    assert len(values["venue"]) <= 42
    assert len(values["vendor"]) <= 12
    assert len(values["rule"]) <= 62
    assert len(values["kind"]) <= 20
    assert len(values["session"]) <= 50
    assert not {"order_id", "symbol", "exec_id"} & set(values)


def test_hops_come_from_the_steps_of_the_route_that_was_filled() -> None:
    assert hops(execution()) == {"receipt_to_route": 2 * MS, "route_to_ack": 312 * MS, "ack_to_fill": 16 * MS}
    assert hops(execution(route_id="another")) == {}
    assert hops(execution(at=T0)) == {"receipt_to_route": 2 * MS, "route_to_ack": 312 * MS}


def test_a_busted_execution_takes_back_what_it_added() -> None:
    measures = RunningTotals()
    added = measures.execution(execution(), None, first_of_route=True)
    taken = measures.execution(execution(revision=1, state="busted"), execution(), first_of_route=False)
    sums: dict[object, float] = {}
    for name, labels, value in [*added, *taken]:
        sums[name, labels] = sums.get((name, labels), 0) + value
    assert sums["sorwatch_shares", (("venue", "ARCX"), ("vendor", "ACME"))] == 0


def test_a_story_of_many_parts_has_each_step_once() -> None:
    assert [s.what for s in timeline([steps("A"), steps("A")])] == ["received", "routed", "acked", "filled"]


def test_a_chart_without_prices_is_a_sentence() -> None:
    assert "nothing to draw" in chart([])


@pytest.mark.parametrize(("low", "high"), [(187.03e9, 187.15e9), (0.0001e9, 0.0002e9), (1.0, 9e15), (1.0, 2.0)])
def test_prices_on_the_axis_are_round_and_few(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 1 <= len(found) <= 8
    assert all(low <= price <= high for price in found)


@pytest.mark.parametrize(("share", "value"), [(0.5, 5), (0.99, 10), (0.1, 1), (1.0, 10)])
def test_percentiles_are_values_that_occurred(share: float, value: int) -> None:
    assert percentile(list(range(1, 11)), share) == value


@pytest.mark.line
async def test_a_browser_shows_the_page(page: Page, tmp_path: Path) -> None:
    """Real chromium runs the page's script under its policy and draws it."""
    browser = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)
    if browser is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    page.say("findings", finding(title=HOSTILE), finding("C2"))
    page.say("line", health())
    picture = tmp_path / "page.png"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile", "--timeout=20000"]
    process = await asyncio.create_subprocess_exec(
        browser,
        *flags,
        "--window-size=1300,1200",
        "--enable-logging=stderr",
        "--virtual-time-budget=5000",
        f"--screenshot={picture}",
        f"{page.url}/order/C2",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert b"Content Security Policy" not in said
    assert b"Uncaught" not in said
