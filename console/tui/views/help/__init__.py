"""Help for the view that it was asked in."""
