"""Who owns a token, what it may do, what uses it, and how far a leak of it reaches."""
