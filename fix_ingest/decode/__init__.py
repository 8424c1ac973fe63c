"""From the bytes of a message to events, as the counterparty's dialect says. Pure."""
