"""The health check of a container: ``python -m monitor.process.container_check HOST:PORT``.

A container runtime shows that a container is unhealthy, and leaves it so. So the check itself ends the container's
process once it has answered nobody, or been stuck, for long, and the runtime's restart policy starts it anew. A process
that only waits for Kafka is left alone: what it holds in memory would be lost. Needs an init as
process 1 (``init: true``), which ends when its child has.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from monitor.process import health_poll

INITS = ("docker-init", "tini", "catatonit", "dumb-init")
UNHEALTHY_S = 300.0
"""As under `sorwatch run`."""


def stuck_for(stuck: bool, since: Path, now: float) -> float:
    """Seconds since the first of the checks that all found it stuck; the file ``since`` keeps its time of day."""
    if not stuck:
        since.unlink(missing_ok=True)
        return 0.0
    if not since.exists():
        since.touch()
        os.utime(since, (now, now))
    return max(now - since.stat().st_mtime, 0.0)


def end_service() -> None:
    """Kill what the container's init has started, so that the init ends and the container with it."""
    if Path("/proc/1/comm").read_text("utf-8").strip() not in INITS:
        raise RuntimeError("process 1 is no container's init (set `init: true`): nothing is restarted")
    for status in Path("/proc").glob("[0-9]*/stat"):
        process = int(status.parent.name)
        if process != os.getpid() and _parent(status) == 1:
            os.kill(process, signal.SIGKILL)


def _parent(status: Path) -> int:
    """The parent of a process by its /proc/PID/stat; 0 when it has ended meanwhile."""
    try:
        return int(status.read_text("utf-8").rpartition(")")[2].split()[1])
    except OSError:
        return 0


def main(argv: list[str] | None = None) -> int:
    """Ask once; 0 when healthy, 1 when not, having ended the service when it has been so for long."""
    parser = argparse.ArgumentParser(prog="python -m monitor.process.container_check", description=__doc__)
    parser.add_argument("address", metavar="HOST:PORT", help="where /healthz is answered")
    parser.add_argument("--restart-after", type=float, default=UNHEALTHY_S, metavar="SECONDS", help="(%(default)s)")
    parser.add_argument("--since", type=Path, default=Path("/tmp/unhealthy-since"), metavar="FILE")  # noqa: S108 - the container's own
    args = parser.parse_args(argv)
    answer = health_poll.ask(args.address)
    healthy = answer is not None and answer.ok
    stuck = answer is None or (not answer.ok and answer.restart_helps)
    lasted = stuck_for(stuck, args.since, time.time())
    if lasted >= args.restart_after:
        sys.stderr.write(f"{args.address}: unhealthy for {lasted:.0f} s, restarting the container\n")
        args.since.unlink(missing_ok=True)
        end_service()
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
