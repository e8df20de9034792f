"""The inventory's database: tables and migrations, one writer, and connections that only read.

A cache of what backends said, but for the history of changes. All SQL of the inventory is
here: ``write`` changes it, ``queries`` reads it. Only ``writer``, ``database``, ``tables`` and
``write`` load SQLAlchemy.
"""
