"""Everything about an incident in one signed directory, for others to check without us."""
