"""Which tokens there are: ``sync`` brings the store up to date, ``search`` finds tokens in it."""
