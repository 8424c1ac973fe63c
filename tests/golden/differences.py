"""Where today's answers differ from the golden files, row by row and field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.golden.files import kept_lines, kept_rows
from tests.golden.groups import PARTS, Group, Line, Rows, line_of, rows_of, text_of
from tests.golden.projection import Projected


class Difference(NamedTuple):
    """An item with its line as it is kept and as it is today; ``None`` where it is not asked there."""

    item: str
    was: Line | None
    now: Line | None

    @property
    def parts(self) -> list[str]:
        """The parts whose digests differ; all of them where the item is on one side only."""
        if self.was is None or self.now is None:
            return list(PARTS)
        return [part for part in PARTS if self.was["digests"][part] != self.now["digests"][part]]


def differences(group: Group) -> list[Difference]:
    """All items of a group whose counts or digests are not those kept."""
    kept = kept_lines(group)
    now = {item: line_of(item, rows_of(ask())) for item, ask in group.items.items()}
    return [Difference(item, kept.get(item), now.get(item)) for item in kept | now if kept.get(item) != now.get(item)]


def explained(group: Group, difference: Difference, parts: Sequence[str] = PARTS) -> Iterator[str]:
    """What differs in an item, from its rows; from its counts where rows may not be kept."""
    yield f"== {group.name}: {difference.item} ({', '.join(difference.parts) or 'counts only'})"
    if group.rows_in is None:
        yield f"  kept  {text_of(difference.was)}"
        yield f"  today {text_of(difference.now)}"
        return
    was = kept_rows(group).get(difference.item, {})
    now = _as_kept(_today(group, difference.item)) if difference.now is not None else {}
    for part in parts:
        yield from (f"  {part}: {text}" for text in between(was.get(part, []), now.get(part, [])))


def shown(group: Group, item: str) -> Iterator[str]:
    """Every row of today's answer to an item."""
    yield f"== {group.name}: {item}"
    for part, rows in _today(group, item).items():
        yield from (f"  {part}: {text_of(row)}" for row in rows)


def between(was: list[Projected], now: list[Projected]) -> Iterator[str]:
    """Rows that are gone (-), new (+) or changed (~); of those that have one name only the fields that differ."""
    gone, new = _without(was, now), _without(now, was)
    for row in gone:
        other = next((each for each in new if each["name"] == row["name"]), None)
        if other is None:
            yield f"- {text_of(row)}"
        else:
            new.remove(other)
            yield f"~ {row['name']}: {', '.join(_fields(row, other))}"
    yield from (f"+ {text_of(row)}" for row in new)


def _today(group: Group, item: str) -> Rows:
    return rows_of(group.items[item]())


def _as_kept(rows: Rows) -> Rows:
    """Rows as they are once they were written and read."""
    read: Rows = json.loads(text_of(rows))
    return read


def _without(rows: list[Projected], others: list[Projected]) -> list[Projected]:
    """Rows that have no equal among the others, each of which counts once."""
    left, kept = list(others), []
    for row in rows:
        if row in left:
            left.remove(row)
        else:
            kept.append(row)
    return kept


def _fields(was: Projected, now: Projected, before: str = "") -> Iterator[str]:
    for name in was | now:
        old, new = was.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _fields(old, new, f"{before}{name}.")
        elif old != new:
            yield f"{before}{name} {text_of(old)} -> {text_of(new)}"
