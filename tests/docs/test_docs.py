"""What README and docs name is there: links, anchors, paths, commands, options, settings and metrics."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec
import pytest
import yaml

from monitor import cli
from monitor.config import load, settings
from tests import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
FOLDERS = ("alerts", "bench", "deploy", "docs", "fix_ingest", "monitor", "rules", "tests")
EXAMPLES = {"rules/sub_penny.py", "docs/rules/sub_penny.md"}
"""Named by CONTRIBUTING as what somebody would write."""

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


@cache
def anchors(page: Path) -> set[str]:
    """The anchors a reader's browser finds, as GitHub makes them of headings."""
    found: dict[str, int] = {}
    for title in re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"\[(.*?)\]\(.*?\)", r"\1", title).lower()).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return {slug if n == 0 else f"{slug}-{n}" for slug, most in found.items() for n in range(most + 1)}


def spans(page: Path) -> Iterator[str]:
    """Code between single backticks, and the lines of blocks that are shell commands."""
    text = page.read_text("utf-8")
    yield from (" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose(page)))
    for line in re.sub(r"\\\n +", "", text).splitlines():
        if line.startswith("    "):
            yield line.strip().partition("  #")[0].strip()


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = page if path == "" else (page.parent / path).resolve()
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


@every_page
def test_every_path_that_is_named_is_there(page: Path) -> None:
    for span in spans(page):
        for word in re.findall(rf"(?<![\w/.])(?:{'|'.join(FOLDERS)})/[\w./-]*\w(?![\w<*…])", span):
            place = ROOT / word
            assert word in EXAMPLES or "/secrets/" in word or place.exists(), word


@cache
def parser_of(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=command, exit_on_error=False)
    importlib.import_module(cli.COMMANDS[command][0]).arguments(parser)
    return parser


@every_page
def test_every_command_and_option_exists(page: Path) -> None:
    for span in spans(page):
        for said in re.findall(r"(?:^|\s|/)sorwatch ([a-z]+)((?:[^|;]*))", span):
            command, rest = said
            assert command in cli.COMMANDS, span
            known = set(parser_of(command)._option_string_actions)
            words = [w.split("=")[0] for w in rest.split() if re.match(r"--[a-z]", w)]
            assert set(words) <= known, span


def complete(line: str) -> bool:
    return line.startswith((".venv/bin/sorwatch ", "sorwatch ")) and "…" not in line and "|" not in line


@every_page
def test_every_command_line_of_a_block_is_one_that_can_be_called(page: Path) -> None:
    text = re.sub(r"\\\n +", "", page.read_text("utf-8"))
    for line in (each.strip().partition("  #")[0].strip() for each in text.splitlines() if each.startswith("    ")):
        if complete(line):
            _, command, *rest = shlex.split(line)
            parser_of(command).parse_args(rest)


@every_page
def test_every_module_that_is_run_and_every_target_of_make_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for span in spans(page):
        for module in re.findall(r"python3? -m ([\w.]+)", span):
            assert importlib.util.find_spec(module) is not None, span
        for target in re.findall(r"(?:^|\s)make ([a-z]+)", span):
            assert target in targets, span


@every_page
def test_every_block_of_settings_has_no_mistake(page: Path) -> None:
    for block in re.findall(r"^```toml\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        if page.name != "policy.md":
            load.parse(block, str(page))


def fields(kind: type[msgspec.Struct]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(kind)}


@every_page
def test_every_setting_that_is_named_exists(page: Path) -> None:
    parts = {"kafka": settings.Kafka, "listen": settings.Listen, "publish": settings.Publish}
    parts |= {"quotes": settings.Quotes, "watch": settings.Watch, "alert": settings.Alert}
    for span in spans(page):
        for part, name in re.findall(
            r"(?<![\w./`-])(kafka|listen|publish|quotes|watch|alert)\.([a-z_]+)(?![\w(/])", span
        ):
            if name not in ("py", "md", "toml", "log", "csv", "parquet", "db", "json"):
                assert name in fields(parts[part]), span


@cache
def sources() -> str:
    return "".join(p.read_text("utf-8") for f in ("alerts", "fix_ingest", "monitor") for p in (ROOT / f).rglob("*.py"))


def is_metric(name: str) -> bool:
    stem = re.sub(r"_(total|bucket|count|sum)$", "", name)
    prefix, _, rest = stem.partition("sorwatch_listen_")
    made = prefix == "" and rest != "" and f'"{rest}"' in sources()
    return made or any(f'"{each}"' in sources() for each in (stem, name))


@every_page
def test_every_metric_that_is_named_exists(page: Path) -> None:
    for name in re.findall(r"(?<![\w/`-])`?(sorwatch_[a-z_]*[a-z])(?![\w*{-]*\*)", page.read_text("utf-8")):
        if name not in ("sorwatch_notice",):
            assert is_metric(name), name


def alerts() -> list[dict[str, str]]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def test_the_alert_rules_ask_for_metrics_that_exist() -> None:
    for alert in alerts():
        for name in re.findall(r"sorwatch_\w+", alert["expr"]):
            assert is_metric(name), name


def test_every_alert_has_an_entry_that_begins_with_something_to_type() -> None:
    text = (ROOT / "docs" / "operating.md").read_text("utf-8")
    entries = dict(re.findall(r"^### (Sorwatch\w+)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(entries) == [alert["alert"] for alert in alerts()]
    for alert in alerts():
        annotations = alert["annotations"]
        assert isinstance(annotations, dict)
        assert annotations["runbook"] == f"docs/operating.md#{alert['alert'].lower()}"
        means, typed, then = (part for part in entries[alert["alert"]].strip().split("\n\n") if part)
        assert typed.startswith("    ")
        assert means
        assert then
