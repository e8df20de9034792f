"""The list of tokens: the first thing one sees."""
