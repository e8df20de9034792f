"""What is written to the store, a module for each thing that is kept.

Every function here works in the transaction of its caller. The typed columns of ``tables``
name what is read and written. Statements in SQL stand where many rows go at once, or where
a statement has no good form in Python; those say so. All of it needs the database toolkit;
what only reads is in ``console.store.queries``.
"""
