"""What an entry is: its parts and bytes, its sentence for people, and what it may not hold."""
