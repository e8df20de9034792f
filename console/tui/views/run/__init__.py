"""Runs: the list, one run's board, one token of it, the report, and decisions."""
