"""Links and owners read from everywhere and written to the store."""
