"""The venue tables that come with sorwatch, and reading an official list in their place."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from pathlib import Path

from monitor.config.toml import Mistake, Mistaken
from monitor.venues.table import Venues


@cache
def shipped() -> Venues:
    """US venues and tape letters as they come with sorwatch."""
    return Venues.from_csv(_text("venues.csv"), _text("participants.csv"))


def official(path: str) -> Venues:
    """The official ISO 10383 CSV at ``path`` with the shipped tape letters; raises `Mistaken`."""
    try:
        return Venues.from_iso_csv(Path(path).read_bytes().decode("utf-8", "replace"), _text("participants.csv"))
    except (OSError, ValueError, csv.Error) as error:
        raise Mistaken(path, [Mistake(None, f"venue list cannot be read: {error}")]) from None
    except KeyError as error:
        raise Mistaken(path, [Mistake(1, f"not the ISO 10383 list: column {error} is missing")]) from None


def _text(name: str) -> str:
    return resources.files("monitor.venues").joinpath(name).read_text("utf-8")
