"""Where entries are kept: one small interface, SQLite and PostgreSQL behind it.

All SQL of the journal is here; ``entries`` and ``nodes`` ask on either database.
"""
