"""``sorwatch policy [FILE]``: check a policy file, or print the one that comes with sorwatch."""

from __future__ import annotations

import argparse
import sys

from monitor.policy import file
from monitor.process import command_line
from rules import RULES


def arguments(parser: argparse.ArgumentParser) -> None:
    """The file to check."""
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="policy to check; without it the shipped one is printed"
    )


def run(args: argparse.Namespace) -> int:
    """Print the shipped policy, or say that the file is right; mistakes are told by the caller."""
    if args.file is None:
        sys.stdout.write(file.shipped_text())
        return command_line.OK
    policy = file.load(args.file, RULES)
    sys.stdout.write(f"{args.file}: policy {policy.version}: no mistakes; rules: {', '.join(r.name for r in RULES)}\n")
    return command_line.OK
