"""Logs for people on a terminal and for machines when piped, always on standard error."""

from __future__ import annotations

import io
import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

NOISY = {"aiokafka": 5.0, "kafka": 5.0, "faust": 1.0, "mode": 1.0}
"""Loggers that repeat themselves while a broker is away, and the seconds between two equal lines of theirs."""


SAY_IT_THEMSELVES = ("run", "demo", "topics", "doctor")
"""Processes that tell in one sentence why Kafka cannot be spoken to: its client need not tell it in ten as well."""
HARMLESS = (
    # closing a consumer cancels what it was just asking; it asks no more, and nothing is missed
    ("kafka.cluster", "Metadata refresh: failed Cancelled"),
    # one turn of kafka-python's network loop took 0.1 s: a busy machine, which is no news and nothing to act on
    ("kafka.net.selector", "Task "),
)
"""Logger and beginning of lines that look like faults and are none."""


def telling(record: logging.LogRecord) -> bool:
    """Whether a line is worth reading."""
    return not any(record.name == name and record.getMessage().startswith(begins) for name, begins in HARMLESS)


class Repeats(logging.Filter):
    """Lets a line of a noisy logger through once in so many seconds, and says how many it held back."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self._last: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is told."""
        key = f"{record.name}:{record.lineno}"
        at, held = self._last.get(key, (float("-inf"), 0))
        if record.created - at < self.seconds:
            self._last[key] = (at, held + 1)
            return False
        self._last[key] = (record.created, 0)
        if held:
            record.msg = f"{record.getMessage()} (and {held} more like it)"
            record.args = ()
        return True


class _StandardError(io.TextIOBase):
    """Standard error as it is when something is said: it may be put elsewhere after `configure`."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


_STANDARD_ERROR: Any = _StandardError()


def configure(process: str) -> None:
    """Set up structlog and the standard library's logging for one process."""
    terminal = sys.stderr.isatty()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _naming(process),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, last] if not terminal else [*shared, last],
        logger_factory=structlog.PrintLoggerFactory(_STANDARD_ERROR),
        # a logger that was used before a second call, as tests make one, must follow the new settings
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(_STANDARD_ERROR)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    handler.addFilter(telling)
    if process in SAY_IT_THEMSELVES:
        logging.getLogger("kafka").setLevel(logging.CRITICAL)
    for name, seconds in NOISY.items():
        handler.addFilter(_only(name, Repeats(seconds)))


def _naming(process: str) -> Processor:
    """Says which process it is, in every thread of it."""

    def name(_: WrappedLogger, __: str, said: EventDict) -> EventDict:
        said.setdefault("process", process)
        return said

    return name


def _only(name: str, repeats: Repeats) -> logging.Filter:
    class Named(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            return not record.name.startswith(name) or repeats.filter(record)

    return Named()
