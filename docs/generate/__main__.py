"""Writes every generated page anew."""

from __future__ import annotations

from docs.generate import rules, settings, wire

if __name__ == "__main__":
    for write in (settings.main, wire.main, rules.main):
        write()
