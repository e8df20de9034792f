"""Redis and Valkey: the users of the server's access control lists, through redis-py."""

from backends.redis_acl.backend import RedisAcl

__all__ = ["RedisAcl"]
