"""What every sub-command shares: exit codes, and the option that names the settings."""

from __future__ import annotations

import argparse
import os

OK, FAILED, USAGE, UNAVAILABLE, STOPPED = 0, 1, 2, 69, 130
"""Exit codes: done; done and something is wrong; called or configured wrongly; something needed is away; Ctrl-C."""


def add_config(parser: argparse.ArgumentParser) -> None:
    """The option every process shares."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        default=os.environ.get("SORWATCH_CONFIG"),
        help="settings (TOML); without it the defaults for one machine, or $SORWATCH_CONFIG",
    )
