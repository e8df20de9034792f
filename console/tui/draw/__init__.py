"""From values to cells: words for readings, columns, lines, and the one way to the terminal."""
