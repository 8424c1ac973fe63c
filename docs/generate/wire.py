"""Writes docs/wire.md and docs/schemas/*.json from the Structs: ``python -m docs.generate.wire``.

The Structs are the truth; a test fails when these files are not what this module would write.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from docs.generate.docstrings import field_docstrings
from monitor.wire import events

ROOT = Path(__file__).parent.parent

MESSAGES: dict[str, tuple[Any, str]] = {
    "reports": (events.ReportLine, "one event a line: orders, sessions, ticks"),
    "executions": (events.Execution, "every fill scored against the NBBO; the highest revision of an id counts"),
    "findings": (events.Finding, "every verdict of every rule; the highest revision of an id counts"),
    "line": (events.LineHealth, "the worker's own state, about once a second for each partition"),
}

INTRODUCTION = """\
# The wire

What crosses Kafka, for those who write a feed or a consumer of their own. This page and the JSON Schemas in
[schemas/](schemas/) are generated from the Structs in `monitor/wire/events.py` by `python -m docs.generate`, and a
test holds them current.

Times are integer nanoseconds UTC. Prices are integers in 1e-9 of the currency unit. Quantities are shares, exact
decimals written as JSON numbers. Absent fields are left out or null, never 0 or "". Unknown fields are refused.

**Identity.** An order is its *sender* (the counterparty whose ids these are: the session, unless `sender` names
another; a primary session and its backup share one), its symbol, its order id and its trade date (UTC). Another
sender's order of the same id is another order. A parent is looked for at the same sender, or at `parent_sender` where
the dialect names one, and nowhere else. An execution is the order it filled and its ExecID: `id` of an execution is
trade date, lengths of sender, symbol and route id, then sender, symbol, route id and ExecID, joined by dots. `id` of
a finding is a digest of rule, rule version, sender, symbol, order id, the order's first day and the subject, worked
out when the finding is first published and kept. Readers keep the highest revision of an id. Ids and codes have at
most 256 characters.

| topic | partitions | key | value |
|---|---|---|---|
| `reports` | P | none | lines of JSON, one event a line ([schema](schemas/reports.json)) |
| `nbbo` | P | none | one Arrow record batch as an IPC stream, see below |
| `executions` | P | none | lines of JSON ([schema](schemas/executions.json)) |
| `findings` | P | none | lines of JSON ([schema](schemas/findings.json)) |
| `checkpoints` | P | partition | the worker's own, compacted |
| `line` | 1 | none | lines of JSON ([schema](schemas/line.json)) |
| `dead_letters` | 1 | none | bytes that could not be read; headers say why and from where |

Names have the prefix of the settings (`sorwatch.`). P is the same for the first five. Every producer writes the
partition explicitly: murmur2 of the symbol's UTF-8 bytes, the sign bit cleared, modulo P, which is what Kafka's
own Java, kafka-python and aiokafka clients do with the symbol as key (librdkafka needs `partitioner=murmur2_random`).
What belongs to no symbol (ticks, sessions) goes to every partition.

## Headers of reports

`schema` (1), `source`, `first` and `last` (journal numbers of the lines in the message) and `prev` (the `last` of
the message that this source sent to this partition before, -1 at the beginning). A reader that has seen up to
`last` drops what is repeated after a crash, and sees by `prev` when something is missing. A message without these
headers is taken as it is.

## Quote blocks on nbbo

{blocks}

A feed of one's own may instead send lines of JSON to `sorwatch quotes jsonl:…`, see [feeds](feeds.md).

"""


def documents() -> dict[Path, str]:
    """Every generated file and what belongs in it."""
    said = field_docstrings(events)
    files = {ROOT / "schemas" / f"{name}.json": _pretty(schema(kind, said)) for name, (kind, _) in MESSAGES.items()}
    files[ROOT / "wire.md"] = _page(said)
    return files


def schema(kind: Any, said: dict[str, dict[str, str]]) -> dict[str, Any]:
    """JSON Schema of one message, with the docstring of every field as its description."""
    made = msgspec.json.schema(kind)
    for name, definition in made.get("$defs", {}).items():
        for field, prop in definition.get("properties", {}).items():
            if text := said.get(name, {}).get(field):
                prop["description"] = text
    return _numbers(made)  # type: ignore[no-any-return]  # a JSON value goes in and the same comes out


def _numbers(value: Any) -> Any:
    """Decimals stand on this wire as JSON numbers; msgspec's schema says strings."""
    if isinstance(value, dict):
        if value.get("format") == "decimal":
            return {**{k: v for k, v in value.items() if k != "format"}, "type": "number"}
        return {k: _numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    return value


def _page(said: dict[str, dict[str, str]]) -> str:
    from monitor.wire import blocks

    first, _, rest = (blocks.__doc__ or "").partition("\n\n")
    parts = [INTRODUCTION.format(blocks=f"{first}\n\n{rest.strip()}".replace("``", "`"))]
    for name, (kind, what) in MESSAGES.items():
        parts.append(f"## {name}\n\n{what[0].upper() + what[1:]}.\n")
        definitions = msgspec.json.schema(kind)["$defs"]
        parts.extend(_table(struct, definitions[struct], said) for struct in definitions)
    return "\n".join(parts).rstrip() + "\n"


def _table(name: str, definition: dict[str, Any], said: dict[str, dict[str, str]]) -> str:
    kind = definition["properties"].get("kind", {}).get("enum", [None])[0]
    title = f"### {name}" + (f" (`kind`: `{kind}`)" if kind else "")
    summary = inspect.cleandoc(getattr(events, name).__doc__ or "")
    rows = ["| field | type | meaning |", "|---|---|---|"]
    required = definition.get("required", [])
    for field, prop in definition["properties"].items():
        if field != "kind":
            shown = _type(_numbers(prop)) + ("" if field in required else ", optional")
            rows.append(f"| `{field}` | {shown} | {said.get(name, {}).get(field, '')} |")
    return "\n".join([title, "", summary, "", *rows, ""])


def _type(prop: dict[str, Any]) -> str:
    if "$ref" in prop:
        return str(prop["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in prop:
        return " or ".join(_type(p) for p in prop["anyOf"])
    if "enum" in prop:
        return " or ".join("null" if v is None else f"`{v}`" for v in prop["enum"])
    if prop.get("type") == "array":
        return f"list of {_type(prop.get('items') or {})}"
    return str(prop.get("type", "any"))


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every generated file."""
    for path, text in documents().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
