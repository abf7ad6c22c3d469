"""The soak: a mixed load, faults from a seed, and the oracle at the end."""
