"""docs/policy.md shows a policy that is right and tells every field there is."""

from __future__ import annotations

import re

from monitor.engine.policy import Entry, File, Override
from monitor.policy.parse import parse
from rules import RULES
from tests import ROOT

PAGE = ROOT / "docs" / "policy.md"


def test_the_example_is_a_policy_without_mistakes() -> None:
    text = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[0]
    policy = parse(text, "docs/policy.md", RULES)
    limits, authority = policy.limits("unexpected_venue", "market", "XNYS", None, "IBM", 1_780_272_000 * 10**9)
    assert "TRF" in limits.declared
    assert authority.approved_by == "head of trading, 2026-02-03"


def test_every_field_is_on_the_page() -> None:
    page = PAGE.read_text("utf-8")
    for kind in (File, Entry, Override):
        for field in kind.__struct_fields__:
            assert field in page, field
