"""Every action with its intent, outcome and evidence."""
