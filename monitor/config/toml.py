"""TOML with places: reads a file into Structs and reports every mistake at once, each with its line.

``tomllib`` gives values without places and msgspec stops at the first error, so the lines of keys are found by a
scan of the text, and the values are checked field by field.
"""

from __future__ import annotations

import re
import tomllib
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

S = TypeVar("S", bound=Struct)
Path = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(
    r"^\s*((?:[A-Za-z0-9_\-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_\-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)
_PART = re.compile(r"[A-Za-z0-9_\-]+|\"[^\"]*\"|'[^']*'")


class Mistake(Struct, frozen=True):
    """One thing wrong with a configuration file."""

    line: int | None
    what: str


class Mistaken(ValueError):
    """A configuration file with mistakes; prints as one ``file:line: what`` a line."""

    def __init__(self, name: str, mistakes: list[Mistake]) -> None:
        self.name = name
        self.mistakes = mistakes
        super().__init__("\n".join(f"{name}:{m.line or 1}: {m.what}" for m in mistakes))


class Several(Mistaken):
    """The mistakes of several files."""

    MOST = 20

    def __init__(self, each: list[Mistaken]) -> None:
        super().__init__(each[0].name, [mistake for mistaken in each for mistake in mistaken.mistakes])
        told = [str(mistaken) for mistaken in each[: self.MOST]]
        more = [f"{each[0].name}:1: and so on, in {len(each)} places in all"] if len(each) > self.MOST else []
        self.args = ("\n".join(told + more),)


class Located:
    """A parsed TOML text that knows on which line each of its keys stands."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            found = re.search(r"at line (\d+)", str(error))
            raise Mistaken(name, [Mistake(int(found[1]) if found else None, f"not TOML: {error}")]) from None
        self._lines = _lines_of(text)

    def line(self, path: Path) -> int | None:
        """Line of the key, or of the nearest table around it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path)

    def mistake(self, path: Path, what: str) -> Mistake:
        """A mistake at the place of ``path``."""
        return Mistake(self.line(path), what)

    def read(self, path: Path, kind: type[S], mistakes: list[Mistake]) -> S | None:
        """The table at ``path`` as a Struct; what is wrong is added to ``mistakes``, and then the answer is None."""
        table: Any = self.data
        for key in path:
            table = table[key] if isinstance(key, int) else table.get(key, {})
        before = len(mistakes)
        self._check(path, table, kind, mistakes)
        return None if len(mistakes) > before else msgspec.convert(table, kind)

    def usable(self, path: Path, kind: type[S]) -> S | None:
        """The table at ``path`` without the keys that are wrong; None when it is no table or lacks a needed key."""
        table: Any = self.data
        for key in path:
            table = table[key] if isinstance(key, int) else table.get(key, {})
        if not isinstance(table, dict):
            return None
        hints = get_type_hints(kind, include_extras=True)
        names = {f.encode_name: f.name for f in msgspec.structs.fields(kind)}
        right = {k: v for k, v in table.items() if k in names and self._right((*path, k), v, hints[names[k]])}
        try:
            return msgspec.convert(right, kind)
        except msgspec.ValidationError:
            return None

    def _right(self, path: Path, value: Any, kind: Any) -> bool:
        mistakes: list[Mistake] = []
        self._check(path, value, kind, mistakes)
        return not mistakes

    def _check(self, path: Path, value: Any, kind: Any, mistakes: list[Mistake]) -> None:
        if _is_struct(kind):
            self._check_table(path, value, kind, mistakes)
        elif (member := _struct_member(kind)) is not None and isinstance(value, dict):
            self._check_table(path, value, member, mistakes)
        elif get_origin(kind) in (list, tuple) and _holds_struct(get_args(kind)[0]) and isinstance(value, list):
            for i, item in enumerate(value):
                self._check((*path, i), item, get_args(kind)[0], mistakes)
        elif get_origin(kind) is dict and isinstance(value, dict):
            for key, item in value.items():
                self._check((*path, key), item, get_args(kind)[1], mistakes)
        else:
            try:
                msgspec.convert(value, kind)
            except msgspec.ValidationError as error:
                mistakes.append(self.mistake(path, f"{_dotted(path)}: {error}"))

    def _check_table(self, path: Path, table: Any, kind: type[Struct], mistakes: list[Mistake]) -> None:
        if not isinstance(table, dict):
            mistakes.append(self.mistake(path, f"{_dotted(path)}: must be a table"))
            return
        hints = get_type_hints(kind, include_extras=True)
        fields = {f.encode_name: f for f in msgspec.structs.fields(kind)}
        for key, value in table.items():
            if key not in fields:
                known = ", ".join(sorted(fields))
                mistakes.append(self.mistake((*path, key), f"{_dotted((*path, key))}: unknown; known here: {known}"))
            else:
                self._check((*path, key), value, hints[fields[key].name], mistakes)
        missing = [name for name, f in fields.items() if f.required and name not in table]
        mistakes.extend(self.mistake(path, f"{_dotted((*path, name))}: missing") for name in missing)
        self._check_whole(path, table, kind, set(table) <= set(fields) and not missing, mistakes)

    def _check_whole(self, path: Path, table: Any, kind: type[Struct], plain: bool, mistakes: list[Mistake]) -> None:
        """Ask the Struct's own ``__post_init__`` once its fields are right one by one."""
        if not plain or any(m.line is not None and m.line == self.line(path) for m in mistakes):
            return
        try:
            msgspec.convert(table, kind)
        except msgspec.ValidationError as error:
            if "$" not in str(error) or str(error).endswith("at `$`") or " - at `$" not in str(error):
                mistakes.append(self.mistake(path, f"{_dotted(path)}: {error}"))


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _holds_struct(kind: Any) -> bool:
    """Whether Structs are in it somewhere, so that it must be gone through piece by piece."""
    return _is_struct(kind) or any(_holds_struct(k) for k in get_args(kind))


def _struct_member(kind: Any) -> type[Struct] | None:
    if get_origin(kind) not in (Union, UnionType):
        return None
    return next((k for k in get_args(kind) if _is_struct(k)), None)


def _dotted(path: Path) -> str:
    return ".".join(str(p) for p in path) or "the file"


def _lines_of(text: str) -> dict[Path, int]:
    """Line of every table header and key; multi-line strings are skipped over."""
    lines: dict[Path, int] = {(): 1}
    counts: dict[Path, int] = {}
    table: Path = ()
    closer: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if closer is not None:
            closer = None if closer in line else closer
            continue
        if header := _HEADER.match(line):
            table = _place(_parts(header[2]), header[1] == "[[", counts)
            for end in range(1, len(table) + 1):
                lines.setdefault(table[:end], number)
        elif key := _KEY.match(line):
            path = table + _parts(key[1])
            for end in range(len(table) + 1, len(path) + 1):
                lines.setdefault(path[:end], number)
            rest = line[key.end() :]
            closer = next((q for q in ('"""', "'''") if rest.count(q) == 1), None)
    return lines


def _place(parts: Path, many: bool, counts: dict[Path, int]) -> Path:
    """Path of a header, with the index of the newest element of every array of tables on the way."""
    path: Path = ()
    for i, part in enumerate(parts):
        path += (part,)
        if many and i == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path += (counts[path],)
    return path


def _parts(dotted: str) -> Path:
    return tuple(p.strip("\"'") for p in _PART.findall(dotted))
