"""What can be typed after each command, with an example to copy. Loads nothing else."""
