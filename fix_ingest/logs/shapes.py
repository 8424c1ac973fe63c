"""Lines of FIX logs of many shapes → the messages in them, with SOH between fields again.

A message begins at ``8=FIX`` (or at ``35=`` where a log dropped the header), its delimiter is what stands after the
first field, and it ends with CheckSum(10) or with the line. What stands around it is left aside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fix_ingest.decode.message import SOH

_MARKS = r"\x01|\^A|\\x01|\\u0001|\\001|#001|&#x?0*1;|<SOH>|\[SOH\]"
_DELIMITER = rf"({_MARKS}|[^0-9A-Za-z=.]{{1,3}}?)(?=[0-9]+=)"
_START = re.compile(r"(?<![0-9])8=FIXT?\.[0-9]\.[0-9](?:SP[0-9])?")
_FURTHER = re.compile(rf"{_START.pattern}(?:{_MARKS}|[^0-9A-Za-z=.]{{1,3}}?)\s*(?:9|35)=")
"""Another message behind one: its header follows. What only looks like one stands in a text."""
_AFTER_START = re.compile(_START.pattern + _DELIMITER)
_HEADLESS = re.compile(r"(?<![0-9])35=[A-Za-z0-9]{1,3}" + _DELIMITER)
_CHECKSUM = re.compile(r"10=[0-9]{3}")
_ANNOTATED = re.compile(r"\[(?!SOH\])[A-Za-z0-9_ ]+\](?:8|35)=")
_NAME = re.compile(r"\[[A-Za-z0-9_ ]+\](?=[0-9]+=)")
_WORD = re.compile(r"\[[A-Z0-9_ ]+\](?=\||\x01|$)")
_EVENT = re.compile(r"^<.*, event>")


def messages(line: str) -> Iterator[str]:
    """Every message in a line, fields separated and ended by SOH."""
    if _ANNOTATED.search(line):
        line = _WORD.sub("", _NAME.sub("", line))
    found = [start.start() for start in _START.finditer(line)]
    starts = found[:1] + [start for start in found[1:] if _FURTHER.match(line, start)]
    if starts:
        for begin, end in zip(starts, [*starts[1:], len(line)], strict=True):
            if (message := _message(line[begin:end], _AFTER_START)) is not None:
                yield message
    elif (headless := _HEADLESS.search(line)) is not None:
        message = _message(line[headless.start() :], _HEADLESS)
        if message is not None:
            yield message


def is_remark(line: str) -> bool:
    """A line of a QuickFIX/J screen log that tells of the session, not of a message."""
    return _EVENT.match(line) is not None


def _message(text: str, opening: re.Pattern[str]) -> str | None:
    """One message out of the text that begins with it; None when no delimiter can be told."""
    found = opening.match(text)
    if found is None:
        return None
    delimiter = found[1]
    fields = text.split(SOH) if delimiter == SOH else re.split(_between(delimiter), text)
    last = len(fields) - 1
    for i, field in enumerate(fields):
        if field.startswith("10=") and _CHECKSUM.match(field):
            fields[i], last = field[:6], i
            break
    else:
        if delimiter == SOH:
            last = max(i for i, field in enumerate(fields) if "=" in field)
        else:
            fields[last] = fields[last].partition(delimiter)[0]
        fields[last] = fields[last].rstrip("\r\n")
    return SOH.join(fields[: last + 1]) + SOH


def _between(delimiter: str) -> str:
    """Pattern of a delimiter that stands before a tag, so that it may also occur in values."""
    space = "" if delimiter.isspace() else " *"
    return f"{re.escape(delimiter)}(?={space}[0-9]+{space}=)"
