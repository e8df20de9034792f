"""A vendor's list against what is here."""
