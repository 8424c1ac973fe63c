"""Command line of the drop-copy source."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from monitor.demo.dropcopy.source import DropCopySource
from monitor.demo.dropcopy.wire import prepared


def main(argv: list[str] | None = None) -> int:
    """Send a file of messages (one a line, ``|`` or SOH between fields) and wait until they are confirmed."""
    args = _arguments().parse_args(argv)
    text = sys.stdin.buffer.read() if args.file == "-" else Path(args.file).read_bytes()
    source = DropCopySource(
        args.begin_string,
        args.sender,
        args.target,
        args.host,
        args.port,
        role=args.role,
        heartbeat=args.heartbeat,
        rate=args.rate,
    )
    source.start()
    source.send(prepared(line) for line in text.splitlines() if line.strip())
    confirmed = source.wait_confirmed(args.timeout)
    sys.stdout.write(f'{{"sent": {source.sent()}, "resent": {source.resent}, "logons": {source.logons}}}\n')
    source.logout()
    return 0 if confirmed else 1


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m monitor.demo.dropcopy", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", required=True, help="messages, one a line; - for standard input")
    parser.add_argument("--begin-string", default="FIX.4.4")
    parser.add_argument("--sender", default="ROUTER")
    parser.add_argument("--target", default="SORWATCH")
    parser.add_argument("--role", choices=("initiator", "acceptor"), default="initiator")
    parser.add_argument("--heartbeat", type=int, default=30)
    parser.add_argument("--rate", type=float, help="messages a second; without it as fast as they are taken")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds to wait for the confirmation")
    return parser


if __name__ == "__main__":
    sys.exit(main())
