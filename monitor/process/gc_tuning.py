"""The interpreter's search for cycles of garbage, for processes that keep very many values for long."""

from __future__ import annotations

import gc


def look_seldom() -> None:
    """Search after 50,000 new containers instead of 700, and never again through what there is now.

    Orders and events live for long and are in no cycles: looking through them again and again costs a fifth of the
    time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
