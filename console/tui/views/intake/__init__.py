"""A secret in hand: taken without being shown, and its answer cards."""
