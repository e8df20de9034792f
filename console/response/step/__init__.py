"""One call of a plan: intent, call, outcome, and the look afterwards whether it holds."""
