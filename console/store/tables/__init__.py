"""The store's tables, in a module for each part of it; together they are one schema.

All points in time are whole seconds since 1970, UTC. Every reading has a ``*_how``
column beside its value, so that "never", "not tracked", "not permitted" and "not read"
stay four things. A ``*_key`` column is what is sorted and searched: folded and cut text,
or a time in which "never" has a place of its own (``time_keys``); NULL there means "nobody
knows". The trigram index over ``token`` is a virtual table (``token_fts``) that SQLAlchemy
does not know.
"""

from sqlalchemy import Table
from sqlmodel import SQLModel

from console.store.tables import audit, graph, inventory

__all__ = ["METADATA", "audit", "graph", "inventory", "table"]

METADATA = SQLModel.metadata


def table(name: str) -> Table:
    """The SQLAlchemy table of that name, for Core statements."""
    return METADATA.tables[name]
