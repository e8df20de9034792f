"""Acting on tokens: a plan that is exact, an approval that is journaled, a runner that acts.

Nothing but the runner changes anything outside, and it changes nothing without a durable
intent. ``plan`` makes, ``approval`` lets, ``execute`` and ``runner`` do, ``recover`` finds
out what became of what a dead runner began.
"""
