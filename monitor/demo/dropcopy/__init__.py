"""A drop-copy source: sends prepared FIX messages over a real session, as the counterparty of the listener would.

Used by the demo, the tests and the benches. It is a FIX session of its own on plain sockets (logon, heartbeat, test
request, resend with PossDupFlag, gap fill, logout) and shares no code with the listener, so that neither hides the
other's mistakes. Everything sent is kept in memory and sent again when asked for; sequence numbers live as long as
the source.
"""

from __future__ import annotations

from monitor.demo.dropcopy.source import DropCopySource
from monitor.demo.dropcopy.wire import Fields, Inbound, checksum, encoded, framed, prepared, sending_time

__all__ = ["DropCopySource", "Fields", "Inbound", "checksum", "encoded", "framed", "prepared", "sending_time"]
