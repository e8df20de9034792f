"""What every command has in common: words in any order, questions, tables, and where output goes."""
