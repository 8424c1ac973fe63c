"""The worker as a process with the small engine of the tests: ``python -m tests.worker.worker_process FILE``."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from monitor.config import load
from monitor.process import logs
from monitor.worker import faust_app
from tests.worker import fake_engine

if __name__ == "__main__":
    logs.configure("watch")
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    sys.exit(asyncio.run(faust_app.serve(load.load(sys.argv[1]), fake_engine.make)))
