"""What an error of a backend means, in words that are safe to keep and to show."""

from __future__ import annotations

from backends.errors import BackendError

FAULT_HINT = "This is a fault of the backend, not of the system: report it to who wrote it."


def words(error: BaseException, type_: object = "") -> tuple[str, str]:
    """What went wrong, and what to do about it.

    Only a ``BackendError`` may speak: any other error may hold anything, a secret too, so
    only its type is told, and whom to tell of it, by the backend's ``type``.
    """
    if isinstance(error, BackendError):
        return error.message, error.hint
    told = f"the backend failed with {type(error).__name__}"
    if not type_:
        return told, FAULT_HINT
    # Looks through all that is installed: only where there is something to tell of it.
    from backends import registry

    whose = registry.TYPES.origin_of(type_)
    if not whose.distribution:
        return told, FAULT_HINT
    return f"{told} (it comes from {whose.name})", whose.hint
