"""Reading a policy: every threshold, from when, for what, on whose authority."""
