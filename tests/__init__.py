"""Tests, in the rooms of what they test; `SHARED` is real input beside the checkout, which may be absent."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
