"""Who lets a plan be carried out: what the configuration asks for, signatures, a second person."""
