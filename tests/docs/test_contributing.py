"""The rule that CONTRIBUTING.md shows is a rule and does what its examples say."""

from __future__ import annotations

import re
import types

from monitor.engine.rule import Rule
from monitor.policy.examples import findings_of, shown
from tests import ROOT

PAGE = ROOT / "CONTRIBUTING.md"


def test_the_rule_shown_works() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    module = types.ModuleType("rules.sub_penny")
    exec(compile(code, str(PAGE), "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - our own page, so that it cannot go stale
    rule: Rule = module.RULE
    assert rule.examples
    for example in rule.examples:
        assert shown(findings_of(rule, example)) == tuple(sorted(example.fires))
