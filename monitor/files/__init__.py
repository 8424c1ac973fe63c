"""Files as they come: compressed, in archives, larger than memory."""
