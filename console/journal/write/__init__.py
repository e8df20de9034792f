"""Writing the journal: durable when an append returns, or an error and nothing is sent."""
