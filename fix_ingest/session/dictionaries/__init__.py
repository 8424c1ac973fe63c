"""FIX dictionaries that let everything through.

QuickFIX needs a dictionary to see repeating groups, but a strict one makes it reject, and so use up, every message
with a venue's own tags, values or habits. The relaxed dictionaries are made from those QuickFIX installs, when the
listener starts: nothing is required, every value is allowed, every type is text except those the parser lives on.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

_PARSED: Final = frozenset({"NUMINGROUP", "LENGTH", "DATA", "XMLDATA", "SEQNUM", "BOOLEAN"})
_NUMBERS: Final = frozenset({"7", "16", "34", "36"})
"""BeginSeqNo, EndSeqNo, MsgSeqNum, NewSeqNo: text in place of a number must be rejected before it is counted with."""
_FILES: Final = {
    "FIX.4.0": "FIX40",
    "FIX.4.1": "FIX41",
    "FIX.4.2": "FIX42",
    "FIX.4.3": "FIX43",
    "FIX.4.4": "FIX44",
    "FIX.5.0": "FIX50",
    "FIX.5.0SP1": "FIX50SP1",
    "FIX.5.0SP2": "FIX50SP2",
    "FIXT.1.1": "FIXT11",
}


def installed(version: str) -> Path:
    """The dictionary that QuickFIX installed for a version, such as ``FIX.4.4``; raises `FileNotFoundError`."""
    path = Path(sys.prefix) / "share" / "quickfix" / f"{_FILES[version]}.xml"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: install quickfix again, its dictionaries come with it")
    return path


def relaxed(text: str, message_types: tuple[str, ...]) -> str:
    """A dictionary that requires nothing, with the counterparty's own message types added."""
    root = ElementTree.fromstring(text)  # noqa: S314 - QuickFIX's own file, not input
    for element in root.iter():
        if "required" in element.attrib:
            element.set("required", "N")
    for element in root.iterfind("fields/field"):
        _relax(element, message_types)
    known = {message.get("msgtype") for message in root.iterfind("messages/message")}
    messages = root.find("messages")
    for kind in message_types:
        if messages is not None and kind not in known:
            attributes = {"name": f"Custom{kind}", "msgtype": kind, "msgcat": "app"}
            ElementTree.SubElement(messages, "message", attributes)
    return ElementTree.tostring(root, encoding="unicode")


def write_relaxed(version: str, message_types: tuple[str, ...], directory: Path) -> Path:
    """Write the relaxed dictionary of a version into ``directory`` and answer its path."""
    mark = "".join(f"-{kind}" for kind in message_types)
    path = directory / f"{_FILES[version]}{mark}.xml"
    path.write_text(relaxed(installed(version).read_text("utf-8"), message_types), "utf-8")
    return path


def _relax(element: ElementTree.Element, message_types: tuple[str, ...]) -> None:
    if element.get("number") == "35":
        have = {value.get("enum") for value in element}
        for kind in message_types:
            if kind not in have:
                ElementTree.SubElement(element, "value", {"enum": kind, "description": f"CUSTOM_{kind}"})
        return
    for value in list(element):
        element.remove(value)
    if element.get("number") in _NUMBERS:
        # the old versions call them INT
        element.set("type", "SEQNUM")
    if element.get("type") not in _PARSED:
        element.set("type", "STRING")
