"""What every process needs of the operating system: logs, signals, locks, children, health."""
