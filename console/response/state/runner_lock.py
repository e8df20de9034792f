"""The lock that a plan's runner holds while it lives, and that tells whether it does."""

from __future__ import annotations

from pathlib import Path

from console.lock import LockHeld, hold, only_one
from console.settings import Paths


def lock_of(plan_id: str, paths: Paths) -> Path:
    """The file that a plan's runner keeps locked while it lives."""
    return paths.plans / f"{plan_id}.lock"


def alive(plan_id: str, paths: Paths) -> bool:
    """Whether a runner (or a recovery) is at work on this plan at this moment."""
    path = lock_of(plan_id, paths)
    if not path.exists():
        return False
    try:
        with only_one(path):
            return False
    except LockHeld:
        return True


def take(plan_id: str, paths: Paths, patience: float) -> int:
    """A descriptor that holds the plan's lock until its last copy is closed.

    A copy can be given to a child process, so that there is no moment at which the plan
    looks abandoned.

    Raises:
        LockHeld: a runner or a recovery holds it.
    """
    return hold(lock_of(plan_id, paths), patience)
