from __future__ import annotations

from pathlib import Path

import pytest

from fix_ingest.decode.dialect import Dialect, Symbols, Tags, parse
from fix_ingest.decode.dialects import for_sessions, load, shipped_names
from monitor.config.settings import Session
from monitor.config.toml import Mistaken
from tests import ROOT

OWN = """
clock = "router"
vendor = "ACME"
without_parent = "routed"

[tags]
order = ["109", "11"]
fill_venue = ["30", "76"]

[[parent]]
name = "id"
tag = "11"
pattern = "^(.+)-[0-9]+$"

[exec_types]
Q = "fill"

[venues]
ARCA = "ARCX"
"""


def test_every_shipped_dialect_can_be_read() -> None:
    assert "default" in shipped_names()
    for name in shipped_names():
        assert isinstance(load(name), Dialect)


def test_the_default_dialect_names_parents_by_the_ladder() -> None:
    assert [(rung.name, rung.tag) for rung in load("default").parent] == [
        ("RefOrderID", "1080"),
        ("SecondaryClOrdID", "526"),
        ("ClOrdLinkID", "583"),
    ]


def test_a_dialect_says_only_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    own = load(str(path))
    assert (own.clock, own.vendor, own.tags.order, own.tags.broker) == ("router", "ACME", ("109", "11"), ("37",))


def test_every_mistake_is_told_with_its_line() -> None:
    wrong = """clock = 5
colour = "red"
[tags]
order = ["eleven"]
[[parent]]
name = "a"
tag = "11"
pattern = "(.+)-(.+)"
[[parent]]
name = "b"
tag = "11"
pattern = "("
[exec_types]
Q = "filled"
"""
    with pytest.raises(Mistaken) as caught:
        parse(wrong, "own.toml")
    told = str(caught.value)
    for expected in (
        "own.toml:1: clock",
        "own.toml:2: colour: unknown",
        "own.toml:4: tags.order",
        "own.toml:5: parent.0",
        "exactly one group",
        "own.toml:9: parent.1",
        "not a regular expression",
        "own.toml:14: exec_types",
    ):
        assert expected in told, told


def test_a_dialect_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(Mistaken, match=r"cannot be read.*shipped with sorwatch: default"):
        load("nosuch")
    with pytest.raises(Mistaken):
        load("../default")
    with pytest.raises(Mistaken):
        load("a\0b")


def test_a_session_may_name_the_vendor_itself() -> None:
    sessions = [
        Session(name="a", sender="S", target="T", port=9, vendor="ACME"),
        Session(name="b", sender="S", target="U", port=9),
    ]
    found = for_sessions(sessions)
    assert (found["a"].vendor, found["b"].vendor) == ("ACME", None)
    assert found["a"].parent == found["b"].parent


def test_every_key_is_in_the_docs() -> None:
    text = (ROOT / "docs" / "fix.md").read_text("utf-8")
    keys = [name for name in Dialect.__struct_fields__ if name not in ("tags", "symbols")]
    keys += [f"tags.{name}" for name in Tags.__struct_fields__]
    keys += [f"symbols.{name}" for name in Symbols.__struct_fields__]
    assert [key for key in keys if f"| `{key}` |" not in text] == []


def test_the_dialect_of_the_docs_is_right() -> None:
    text = (ROOT / "docs" / "fix.md").read_text("utf-8")
    block = [line.removeprefix("    ") for line in text.splitlines() if line.startswith("    ")]
    example = parse("\n".join(block), "docs/fix.md")
    assert (example.clock, example.messages, example.venues) == ("acme", {"UB": "bust"}, {"ARCA": "ARCX"})
