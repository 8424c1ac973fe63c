"""Writing the golden files and reading them."""

from __future__ import annotations

import json
import lzma
from functools import cache
from pathlib import Path

from tests.golden.groups import HERE, Group, Line, Rows, line_of, rows_of, text_of


def write(group: Group) -> None:
    """Replace the files of a group by today's answers; a group without items, whose data is not here, is left alone."""
    if not group.items:
        return
    answered = {item: rows_of(ask()) for item, ask in group.items.items()}
    lines = [line_of(item, rows) for item, rows in answered.items()]
    group.lines_path.write_text("".join(text_of(line) + "\n" for line in lines), "utf-8")
    if group.rows_in is not None:
        data = "".join(text_of({"item": item, **rows}) + "\n" for item, rows in answered.items()).encode()
        (HERE / group.rows_in).write_bytes(lzma.compress(data, preset=9) if group.rows_in.endswith(".xz") else data)


def kept_lines(group: Group) -> dict[str, Line]:
    """Counts and digests as they are kept, by item."""
    lines = map(json.loads, group.lines_path.read_text("utf-8").splitlines())
    return {line["item"]: line for line in lines}


def kept_rows(group: Group) -> dict[str, Rows]:
    """Rows as they are kept, by item; none of a group of which only digests may be kept."""
    return {} if group.rows_in is None else _rows(HERE / group.rows_in)


@cache
def _rows(path: Path) -> dict[str, Rows]:
    data = path.read_bytes()
    text = (lzma.decompress(data) if path.suffix == ".xz" else data).decode()
    lines = map(json.loads, text.splitlines())
    return {line.pop("item"): line for line in lines}
