"""The commands under ``incident``."""
