"""How each backend is, what was seen of it, and what can be done there."""
