"""An incident: why we act, on which tokens, who is in charge, and what is left before it closes.

Its record is in the journal; what it says of a token is asked of the runs and of the inventory
each time, so that an incident cannot say more than they do.
"""
