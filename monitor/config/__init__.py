"""Settings of every process: one TOML file, every mistake told with its line.

`settings` are the values, `checks` what contradicts itself, `load` reads file and secrets, `toml` finds the line of a
value. A new setting is a field in `settings`.
"""

__all__ = ["load", "settings", "toml"]
