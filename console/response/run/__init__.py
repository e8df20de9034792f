"""Carrying out an approved plan, in a process of its own, and what a responder may decide about it.

``process`` begins, ``run`` leads, ``lane`` is one backend's share, ``item`` one token's.
``recovery`` finds out what became of what a dead runner began.
"""
