"""The views: each with its page (text, without Textual) and its reader (files, off the loop)."""
