"""``python -m bench [NAME…]`` (``make bench``): runs the benches and prints one JSON object, a key for each.

Every figure of one run is measured on one machine in that run, and every ratio is to a baseline named beside it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
from typing import Any

from monitor.process import logs

BENCHES = {
    "book": "quotes settled and joined, beside an offline polars as-of join",
    "engine": "reports judged by all rules",
    "partition": "the worker's work for the load of the whole line, without Kafka",
    "feed": "quote files read and blocks published, beside polars",
    "publisher": "journal to Kafka, beside plain sends",
    "listener": "FIX messages durable in the journal, beside QuickFIX doing nothing",
    "line": "the whole line on Apache Kafka, beside a plain Faust agent",
}


def main() -> int:
    """Run the named benches, all without names."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure; JSON on standard output.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(BENCHES)}")
    names = parser.parse_args().names or list(BENCHES)
    logs.configure("bench")
    if unknown := set(names) - set(BENCHES):
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    measured: dict[str, Any] = {"machine": machine}
    for name in names:
        sys.stderr.write(f"{name}: {BENCHES[name]} ...\n")
        begun = time.monotonic()
        measured[name] = importlib.import_module(f"bench.{name}").run()
        sys.stderr.write(f"{name}: {time.monotonic() - begun:.0f} s\n")
    print(json.dumps(measured, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
