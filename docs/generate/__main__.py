"""Writes every generated page anew."""

from __future__ import annotations

from docs.generate import settings, wire
from rules import document

if __name__ == "__main__":
    for write in (settings.main, wire.main, document.main):
        write()
