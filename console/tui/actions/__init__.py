"""Everything a responder can do, as data: keys, words, where, and why not here and now."""
