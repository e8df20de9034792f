"""``journal``: what was done, by whom and why; whether that is still whole; and proofs of it."""
