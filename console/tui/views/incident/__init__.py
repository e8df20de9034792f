"""Incidents: the list of them, and one with its tokens, times, and what keeps it open."""
