"""A secret in hand, or a report of many: what it is, whose it is, and what to do about it."""
