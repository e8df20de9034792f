"""How dead an old value is, as far as that can be shown: tries, records, and the system's log."""
