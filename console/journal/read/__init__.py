"""Reading the journal, and checking the links between entries, with no key."""
