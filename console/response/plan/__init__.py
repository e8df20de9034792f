"""A plan: which tokens, which exact calls, and every reason not to make them.

``build`` makes one from a query and a list; ``model`` is what it holds, ``file`` keeps it.
"""
