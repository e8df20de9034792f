"""What views are made of: pages, bars, pickers, one line to type into."""
