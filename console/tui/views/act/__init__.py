"""The way from a key to an approved plan."""
