"""Mistakes in TOML are told all at once, each with the line on which it stands."""

from __future__ import annotations

from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from monitor.config.toml import Located, Mistake, Mistaken


class Leaf(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    size: Annotated[int, Meta(ge=1)] = 1
    name: str = "x"

    def __post_init__(self) -> None:
        if self.name == "never":
            raise ValueError("never is not a name")


class Tree(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    leaf: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()
    named: dict[str, tuple[Leaf, ...]] = {}
    sizes: dict[str, Annotated[int, Meta(ge=1)]] = {}
    words: tuple[str, ...] = ()


def mistakes(text: str) -> list[tuple[int | None, str]]:
    found: list[Mistake] = []
    Located(text, "t.toml").read((), Tree, found)
    return [(m.line, m.what) for m in found]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("[leaf]\n\nsize = 0", 3, "leaf.size: Expected `int` >= 1"),
        ("[leaf]\nname = 1", 2, "leaf.name: Expected `str`, got `int`"),
        ("# x\nleaf = 3", 2, "leaf: Expected `object | null`, got `int`"),
        ("[leaf]\nsiez = 1", 2, "leaf.siez: unknown; known here: name, size"),
        ("[leaf]\nname = 'never'", 1, "leaf: never is not a name"),
        ("[[leaves]]\nsize = 1\n[[leaves]]\n\nsize = 0", 5, "leaves.1.size: Expected `int` >= 1"),
        ("[[named.a]]\n[[named.b]]\nsize = 0", 3, "named.b.0.size: Expected `int` >= 1"),
        ("[sizes]\na = 1\n'b c' = 0", 3, "sizes.b c: Expected `int` >= 1"),
        ("sizes.a = 1\nsizes.b = 0", 2, "sizes.b: Expected `int` >= 1"),
        ("leaf = { size = 0 }", 1, "leaf.size: Expected `int` >= 1"),
        ("words = [\n 'a',\n 1,\n]", 1, "words: Expected `str`, got `int` - at `$[1]`"),
        ("words = ['''\nsizes = 1\n''']\n[leaf]\nsize = 0", 5, "leaf.size: Expected `int` >= 1"),
    ],
)
def test_one_mistake_and_its_line(text: str, line: int, what: str) -> None:
    assert mistakes(text) == [(line, what)]


def test_all_mistakes_are_told_at_once() -> None:
    text = "unknown = 1\n[leaf]\nsize = 0\nname = 2\n[sizes]\na = 0\n"
    assert [line for line, _ in mistakes(text)] == [1, 3, 4, 6]


def test_what_is_not_toml_is_told_with_its_line() -> None:
    with pytest.raises(Mistaken, match=r"t\.toml:2: not TOML") as caught:
        Located("a = 1\nb = = 2\n", "t.toml")
    assert caught.value.mistakes[0].line == 2


def test_a_mistaken_file_prints_one_line_a_mistake() -> None:
    shown = str(Mistaken("t.toml", [Mistake(3, "this"), Mistake(None, "that")]))
    assert shown == "t.toml:3: this\nt.toml:1: that"


def test_what_is_right_is_read() -> None:
    found: list[Mistake] = []
    tree = Located("[leaf]\nsize = 2\n[[named.a]]\nsize = 3\n", "t.toml").read((), Tree, found)
    assert tree == Tree(leaf=Leaf(size=2), named={"a": (Leaf(size=3),)})
    assert found == []


@given(st.lists(st.sampled_from(["", "# [leaf]", "   ", "#size = 0"]), max_size=8))
def test_the_line_follows_whatever_stands_before(before: list[str]) -> None:
    assert mistakes("\n".join([*before, "[leaf]", "size = 0"])) == [(len(before) + 2, "leaf.size: Expected `int` >= 1")]
