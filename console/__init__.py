"""What a responder sees and does. Importing this costs nothing."""

__version__ = "0.1.0"
