"""What is read from the store, a module for each thing that is kept.

Raw SQL over the standard library's ``sqlite3``, and nothing else: the screen and the command
line read through this while a person waits, and SQLAlchemy alone takes longer to load than
``list`` takes to run. What only writers read, in the transaction in which they write, is
beside it in ``console.store.write``.

A function takes a connection of ``console.store.reading``, and gives rows as they stand in
the store; what they mean is said by the rooms above. For the search, ``conditions`` says what
can be asked of a token, ``orders`` in which orders tokens can be walked, and ``matches`` asks.

Through ``json_each`` a list of any length is one parameter of one statement.
"""
