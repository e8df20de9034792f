"""What all views share while the screen is open: store, journal, the worker, and what they told."""
