"""What commands have in common: words in any order, questions, tables, and where output goes."""
