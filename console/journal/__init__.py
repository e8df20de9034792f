"""The record of every action: append-only, hash-linked, in a Merkle tree with signed roots.

``parts`` and ``entry`` are the format. ``log`` writes: ``writer`` puts an entry, the tree
above it (``tree``) and one signed checkpoint (``keys``) into a ``store`` in one
transaction; the stores are ``sqlite`` and ``postgres``. ``read`` reads, ``chain`` checks
with no key, ``verify`` checks all (``tally``, ``trust``), ``prove`` proves to others.
``tlog`` has the formats that other people's programs read. Only the entries' stored bytes
are authoritative: tree and checkpoints can be made anew from them (``rebuild``).
"""
