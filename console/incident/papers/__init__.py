"""What an incident gives to people: situation report, hand-over and timeline, in several forms."""
