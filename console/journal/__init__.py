"""The record of every action: append-only, hash-linked, in a Merkle tree with signed roots.

``format`` is what an entry is, ``store`` where it is kept. ``write`` puts an entry, the tree
above it and one signed checkpoint into the store in one transaction; ``read`` reads,
``verify`` checks all and proves to others, ``export`` gives it away. Only the entries'
stored bytes are authoritative: tree and checkpoints can be made anew from them.
"""
