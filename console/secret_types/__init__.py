"""What a secret says of itself, offline: its type, its checksum, and what can be read in it."""
