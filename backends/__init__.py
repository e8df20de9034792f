"""Token systems behind one contract. Knows nothing of the console.

Whoever writes a backend needs ``backends.model``, ``backends.contract``,
``backends.errors``, and ``backends.http`` for a system that speaks HTTP;
``backends.conformance`` then tells whether it keeps the contract.
"""
