"""The commands that act: each is the twin of what the screen offers."""
