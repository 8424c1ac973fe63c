"""What every process needs of the operating system: logs, signals, locks, children, health.

`command_line` has the exit codes, `supervisor` keeps children running, `health_server` answers /healthz and /metrics.
"""
