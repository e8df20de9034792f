"""What is written to the store, a module for each thing that is kept.

Every function here works in the transaction of its caller, in plain SQL over the standard
library's ``sqlite3``: a start that writes does not pay for the database toolkit, and a batch
is one statement. ``tables`` declares the columns; the migrations are compared with it. What
only reads is in ``console.store.queries``.
"""
