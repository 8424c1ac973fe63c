"""From the bytes of a message to events, as the counterparty's dialect says. Pure but for reading dialects.

`message` is the frame and its fields, `dialect` which tag means what, `lineage` which order is whose, `decoder` puts it
together. A dialect is a TOML file in `dialects` or of one's own.
"""

__all__ = ["decoder", "dialect", "field_values", "message"]
