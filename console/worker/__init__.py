"""The screen's other half, a process of its own: ``python -m console.worker``."""
