"""The listener's sessions as the acceptance scripts want them: numbers begin again at every logon.

Arguments: port, state directory, BeginString, TargetCompID. Ends when standard input does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fix_ingest.journal import Journal
from fix_ingest.session.quickfix_engine import Engine
from monitor.config.settings import Session
from monitor.process import logs

logs.configure("scripts")

port, state, begin_string, target = sys.argv[1:]
session = Session(name="script", begin_string=begin_string, sender="ISLD", target=target, port=int(port))  # type: ignore[arg-type]  # a version of the suite
engine = Engine((session,), {}, Journal(Path(state) / "journal", sync="never"), Path(state))
engine.links[0].engine.setResetOnLogon(True)
engine.start()
print("listening", flush=True)  # noqa: T201 - tells the test
sys.stdin.read()
os._exit(0)
