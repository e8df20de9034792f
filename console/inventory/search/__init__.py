"""Finds tokens in the store, at every key: from a query's terms to windows over rows.

``query`` understands what was typed, ``planner`` chooses a way, ``all_rows``,
``filtered_rows`` and ``candidates`` are the ways, ``inventory`` is what callers use.
"""
