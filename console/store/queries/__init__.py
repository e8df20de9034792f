"""What is read from the store, with nothing but the standard library.

The screen and the command line read through this; what only writers read, in the transaction
in which they write, is beside it in ``console.store.write``.
"""
