"""Reading a policy from a file, or the one that comes with sorwatch."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from monitor.config.toml import Mistake, Mistaken
from monitor.engine.policy import Policy
from monitor.engine.rule import Rule
from monitor.policy.parse import parse


def load(path: str | None, rules: Iterable[Rule]) -> Policy:
    """The policy at ``path``, or the shipped one when none is named; raises `Mistaken` with every mistake."""
    if path is None:
        return parse(shipped_text(), "default_policy.toml", rules)
    try:
        text = Path(path).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Mistaken(path, [Mistake(None, f"policy cannot be read: {error}")]) from None
    return parse(text, path, rules)


def shipped_text() -> str:
    """The text of the policy that comes with sorwatch."""
    return resources.files("monitor.policy").joinpath("default_policy.toml").read_text("utf-8")
