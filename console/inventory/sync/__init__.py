"""Brings the store up to what the backends say, and never takes a failure for an absence.

``sync`` leads; ``listing`` takes tokens in, ``validate`` looks at each, ``write_tokens``
writes a batch, ``confirm_gone`` asks about those that were not listed.
"""
