"""The screen. Only what is in here may load Textual."""
