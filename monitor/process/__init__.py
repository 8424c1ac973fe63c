"""What every process needs of the operating system: logs, signals, locks, children, health.

`command_line` has the exit codes, `supervisor` keeps children running, `health_server` answers /healthz and /metrics.
"""

__all__ = [
    "address",
    "child",
    "command_line",
    "gc_tuning",
    "health_poll",
    "health_server",
    "leash",
    "lockfile",
    "logs",
    "signals",
    "supervisor",
]
