"""PostgreSQL: the passwords of login roles, through psycopg 3."""

from backends.postgres.backend import Postgres

__all__ = ["Postgres"]
