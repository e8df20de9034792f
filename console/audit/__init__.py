"""What systems say of themselves: their logs taken in, counted, and sealed against later change.

``ingest`` takes log files in, ``intake`` what a backend tells; ``names`` says which token a log
means; ``rollups`` counts; ``seal`` and ``check_seals`` bind stored events to the journal;
``journal_verdict`` is the one verdict on a journal, seals included.
"""
