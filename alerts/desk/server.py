"""The desk page over HTTP: HTML, JSON, /metrics and /healthz on one address, loopback unless told otherwise."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from alerts import formats, metrics
from alerts.consumer import FindingsConsumer
from alerts.delivery import ChannelDelivery, troubles
from alerts.desk import page
from alerts.desk.incident import API_MOST, incident_page
from alerts.desk.incident import FINDINGS_SHOWN as INCIDENT_FINDINGS_SHOWN
from alerts.desk.markup import Html
from alerts.desk.order import order_page
from alerts.desk.overview import Overview, open_incidents, overview
from alerts.incidents import Incident
from alerts.outbox import Notice
from alerts.service import AlertService
from monitor.config.settings import Alert
from monitor.process import address

FINDINGS_SHOWN, NOTICES_SHOWN, UNREADABLE_SHOWN = 15, 15, 10
LONGEST_NUMBER = 18
LOOPBACK = ("127.0.0.1", "localhost", "::1")
KAFKA_AWAY_NS = 30_000_000_000
STATIC = {"style.css": "text/css", "live.js": "text/javascript"}
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_encoder = msgspec.json.Encoder(decimal_format="number")


class Desk:
    """The page of one alert process."""

    def __init__(
        self,
        service: AlertService,
        deliveries: Iterable[ChannelDelivery],
        consumer: FindingsConsumer,
        alert: Alert,
        now: Callable[[], int],
    ) -> None:
        self._service = service
        self._deliveries = list(deliveries)
        self._consumer = consumer
        self._alert = alert
        self._now = now
        self._started = now()
        named = None if alert.base_url is None else urlsplit(alert.base_url).hostname
        self._names = {*LOOPBACK, *(() if named is None else (named,))}
        self._loopback = address.parse(alert.page).host in LOOPBACK
        self._registry = metrics.registry(lambda: service.readings(now()))
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1)

    async def start(self) -> int:
        """Listen; answers the port. Raises `OSError` when the address is taken."""
        there = address.parse(self._alert.page)
        await self._runner.setup()
        site = web.TCPSite(self._runner, there.host, there.port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop answering."""
        await self._runner.cleanup()

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[_safely, self._known_host])
        app.router.add_get("/", self._overview)
        app.router.add_get("/incident/{id}", self._incident)
        app.router.add_get("/order/{id:.+}", self._order)
        app.router.add_get("/api/incidents.json", self._api_incidents)
        app.router.add_get("/api/findings.json", self._api_findings)
        app.router.add_get("/api/health.json", self._api_health)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/static/{name}", _static)
        return app

    @web.middleware
    async def _known_host(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """On loopback, only names of this machine: another site's page must not read this one through DNS."""
        host = _name(request.host)
        if self._loopback and host not in self._names:
            raise web.HTTPForbidden(text=f"this page is not called {host}: if it is, set alert.base_url\n")
        return await handler(request)

    async def _overview(self, request: web.Request) -> web.Response:
        now, service = self._now(), self._service
        incidents = service.all_incidents(now)
        open_now = open_incidents(incidents)
        seen = Overview(
            incidents=incidents,
            orders=service.incidents.orders(i.id for i in open_now),
            told=service.told,
            findings=service.store.newest_findings(FINDINGS_SHOWN),
            health=list(service.health.values()),
            latencies=list(service.latencies),
            notices=[(n, self._last_word(n)) for n in service.outbox.newest(NOTICES_SHOWN)],
            unreadable=service.store.unreadable(UNREADABLE_SHOWN),
            channels={c.channel.name: c.trouble for c in self._deliveries},
            kafka=self._kafka_trouble(now),
            links=self._alert.links,
        )
        return _html(request, formats.many(len(open_now), "open incident"), overview(seen, now), now)

    async def _incident(self, request: web.Request) -> web.Response:
        now, service = self._now(), self._service
        incident = service.incident(request.match_info["id"], now)
        if incident is None:
            return _html(request, "Not known", page.missing("There is no such incident."), now, 404)
        body = incident_page(
            incident,
            service.notes.get(incident.cause.rule),
            service.store.findings_of(incident.id, INCIDENT_FINDINGS_SHOWN),
            [(n, service.outbox.attempts(n.key)) for n in service.outbox.notices_of(incident.id)],
            service.store.finding(incident.example),
            now,
        )
        return _html(request, incident.title, body, now)

    async def _order(self, request: web.Request) -> web.Response:
        now, store, order = self._now(), self._service.store, request.match_info["id"]
        findings = store.findings_about(order)
        executions = store.executions_of(order)
        if not findings and not executions:
            return _html(request, "Not known", page.missing("Nothing is known about this order."), now, 404)
        body = order_page(order, [(f, store.revisions(f.id)) for f in findings], executions)
        return _html(request, f"Order {order}", body, now)

    async def _api_incidents(self, request: web.Request) -> web.Response:
        now = self._now()
        return _json([self._plain(i) for i in self._service.all_incidents(now)])

    async def _api_findings(self, request: web.Request) -> web.Response:
        limit = request.query.get("limit", "200")
        if not limit.isdecimal() or len(limit) > LONGEST_NUMBER:
            raise web.HTTPBadRequest(text="limit must be a whole number\n")
        incident = request.query.get("incident")
        most = min(int(limit), API_MOST)
        store = self._service.store
        return _json(store.newest_findings(most) if incident is None else store.findings_of(incident, most))

    async def _api_health(self, request: web.Request) -> web.Response:
        now, service = self._now(), self._service
        return _json(
            {
                "now": now,
                "kafka": self._kafka_trouble(now),
                "kafka_heard_at": self._consumer.heard_at,
                "channels": {c.channel.name: c.trouble for c in self._deliveries},
                "line": list(service.health.values()),
                "fill_to_finding_beyond_patience_ns": list(service.latencies),
                "counts": {name: service.store.count(name) for name in ("findings", "executions", "unreadable")},
                "notices": [
                    {"channel": channel, "state": state, "count": n}
                    for (channel, state), n in sorted(service.outbox.counts().items())
                ],
            }
        )

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _healthz(self, request: web.Request) -> web.Response:
        now = self._now()
        why = self._kafka_trouble(now)
        waited = now - (self._started if self._consumer.heard_at is None else self._consumer.heard_at)
        ok = waited < KAFKA_AWAY_NS
        state = {"ok": ok, "why": "" if ok else f"Kafka: {why}", "channels": troubles(self._deliveries)}
        return web.json_response(state, status=200 if ok else 503)

    def _kafka_trouble(self, now: int) -> str | None:
        if self._consumer.trouble is not None:
            return self._consumer.trouble
        heard = self._consumer.heard_at
        return "does not answer" if heard is not None and now - heard > KAFKA_AWAY_NS else None

    def _last_word(self, notice: Notice) -> str:
        attempts = self._service.outbox.attempts(notice.key)
        return attempts[-1].detail if attempts else "not tried yet"

    def _plain(self, incident: Incident) -> dict[str, object]:
        told = self._service.told.get(incident.id)
        return {**msgspec.structs.asdict(incident), "told": told}


def _html(request: web.Request, title: str, body: Html, now: int, status: int = 200) -> web.Response:
    tag = f'"{hashlib.blake2b(body.encode(), digest_size=12).hexdigest()}"'
    if status == 200 and request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers={"ETag": tag})
    text = page.layout(title, body, now)
    return web.Response(text=text, content_type="text/html", status=status, headers={"ETag": tag})


def _name(host: str) -> str | None:
    """The name in a Host header; ``None`` when there is none, or nonsense."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _json(value: object) -> web.Response:
    return web.Response(body=_encoder.encode(value), content_type="application/json")


async def _static(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in STATIC:
        raise web.HTTPNotFound(text="no such file\n")
    return web.Response(text=(Path(__file__).parent / name).read_text("utf-8"), content_type=STATIC[name])


@web.middleware
async def _safely(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException as error:
        error.headers.update(SECURITY)
        raise
    response.headers.update(SECURITY)
    return response
