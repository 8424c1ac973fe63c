"""The pages about the rules are what the rules say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.generate.rules import ROOT, pages


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_the_page_is_current(path: Path) -> None:
    assert path.read_text("utf-8") == pages()[path], "run python -m docs.generate"


def test_there_is_no_page_of_a_rule_that_is_gone() -> None:
    assert set(ROOT.glob("*.md")) == set(pages())
