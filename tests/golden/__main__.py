"""``python -m tests.golden``: rewrite the golden files, or with ``--check`` or ``--show`` look at them."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from itertools import islice

from tests.golden.differences import differences, explained, shown
from tests.golden.files import write
from tests.golden.groups import PARTS, Group, groups
from tests.golden.real import ABSENT


def main() -> int:
    """1 when something differs."""
    args = _parser().parse_args()
    asked = [group for group in groups() if args.group in (None, group.name)]
    if args.show is not None:
        for group in asked:
            if args.show in group.items:
                _say(shown(group, args.show))
        return 0
    if args.check:
        differing = [_check(group, args.first, args.part) for group in asked]
        return int(any(differing))
    for group in asked:
        write(group)
        _say([f"{group.name}: {len(group.items)} written" if group.items else f"{group.name}: left alone: {ABSENT}"])
    return 0


def _check(group: Group, first: int, parts: list[str] | None) -> bool:
    """Tell how many items differ, in which parts, and the first of them row by row."""
    if not group.items:
        _say([f"{group.name}: skipped: {ABSENT}"])
        return False
    wanted = tuple(parts or PARTS)
    found = [each for each in differences(group) if not parts or set(each.parts) & set(wanted)]
    counts = Counter(part for each in found for part in each.parts)
    by_part = ", ".join(f"{part} {counts[part]}" for part in PARTS if counts[part])
    _say([f"{group.name}: {len(found)} of {len(group.items)} differ" + (f" ({by_part})" if by_part else "")])
    for each in islice(found, first):
        _say(explained(group, each, wanted))
    return bool(found)


def _say(lines: Iterable[str]) -> None:
    sys.stdout.writelines(line + "\n" for line in lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description="Rewrite or check the golden files.")
    parser.add_argument("--check", action="store_true", help="tell the differences and write nothing")
    parser.add_argument("--show", metavar="ITEM", help='print today\'s rows of one item, such as "day 17"')
    parser.add_argument("--first", type=int, default=20, metavar="N", help="differences told row by row (20)")
    parser.add_argument("--group", choices=["examples", "days", "demo", "real"], help="only this group")
    parser.add_argument("--part", action="append", choices=PARTS, help="only differences in this part; may be repeated")
    return parser


if __name__ == "__main__":
    sys.exit(main())
