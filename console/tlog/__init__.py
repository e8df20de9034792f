"""A transparency log's arithmetic and formats, as RFC 6962 and c2sp.org publish them.

Other people's programs can therefore check what this one writes. ``merkle`` is the tree;
``note`` and ``checkpoint`` are what a log signs; ``cosign`` is what a witness adds, and
``policy`` says whose signatures are enough; ``proof`` and ``tiles`` are the files that are
given away. ``witness`` is a witness, ``submit`` asks one, ``keyfile`` holds a key.

Nothing here knows the journal's database, or imports anything of the console but its
errors. ``cryptography`` and ``httpx`` are loaded only when they are used.
"""
