"""One token on one page."""
