"""What an entry is: its parts and exact bytes, its sentence for people, and what it may not hold."""
