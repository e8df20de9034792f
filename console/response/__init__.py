"""Acting on tokens: a plan that is exact, an approval that is journaled, a runner that acts.

Nothing but the runner changes anything outside, and it changes nothing without a durable
intent. Callers use ``service``; the rooms are told in ``console/README.md``.
"""
