"""What the log of a process says, and what it leaves out."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import logging, threading
import structlog
from monitor.process import logs
logs.configure("watch")
logging.getLogger("kafka.cluster").error("Metadata refresh: failed %s", "Cancelled")
logging.getLogger("kafka.net.selector").warning("Task %r ran for 0.1s (>0.1s threshold). It is", "x")
logging.getLogger("kafka.cluster").error("Metadata refresh: failed %s", "NoBrokers")
logging.getLogger("faust").error("told")
thread = threading.Thread(target=lambda: structlog.get_logger().info("in a thread"))
thread.start()
thread.join()
"""


def test_harmless_lines_are_left_out_and_every_thread_names_its_process() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in said] == ["Metadata refresh: failed NoBrokers", "told", "in a thread"]
    assert {line["process"] for line in said} == {"watch"}
    assert done.stdout == ""
