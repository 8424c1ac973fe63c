"""Settings of every process: one TOML file, every mistake told with its line."""
