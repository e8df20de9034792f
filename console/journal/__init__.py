"""The record of every action: append-only, hash-linked, in a database file of its own.

``entry`` is the format, ``log`` writes, ``read`` reads, ``chain`` checks. The format has
room for the Merkle tree and the signed checkpoints (tables ``node`` and ``checkpoint``
beside ``entry``); both are computed from the stored bytes of the entries alone.
"""
