"""The worker as a process of its own, with the small engine of the tests: ``python watch_process.py FILE``."""

from __future__ import annotations

import asyncio
import sys

import uvloop
import watch_clerk

from monitor.config import load
from monitor.process import logs
from monitor.worker import faust_app

if __name__ == "__main__":
    logs.configure("watch")
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    sys.exit(asyncio.run(faust_app.serve(load.load(sys.argv[1]), watch_clerk.make)))
