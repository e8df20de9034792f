"""Signatures that ``ssh-keygen -Y verify`` checks: made by an ssh-agent, verified here."""
