"""The inventory's database: tables and migrations, one writer, and connections that only read.

A cache of what backends said, but for the history of changes. Only ``writer``, ``database``
and ``tables`` load SQLAlchemy.
"""
