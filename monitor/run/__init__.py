"""One machine: the whole line under a supervisor, what is missing for it, checks of a policy."""
