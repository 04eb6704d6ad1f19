"""The page on experiment E1: which tower dies, and why."""
