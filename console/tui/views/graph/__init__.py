"""Owners, tokens, grants and what uses them, as a picture and as trees."""
