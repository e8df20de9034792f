"""What can go wrong with a token system. Every error says what to do next.

A backend raises these and nothing else on purpose; whatever else escapes it is a fault
of the backend and is shown as such. No message may hold a secret, a header or a body.
"""

from __future__ import annotations


class BackendError(Exception):
    """The base of them all.

    ``hint`` is one sentence for the responder: the next thing to do.
    """

    hint = "Try again; if it goes on, look at the system itself."

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        if hint:
            self.hint = hint

    @property
    def message(self) -> str:
        """What went wrong, in one sentence without a secret."""
        return str(self)


class ConfigError(BackendError):
    """A backend's configuration is wrong. ``option`` names the entry to mend."""

    hint = "Mend the entry in the configuration file, then run `token-console config check`."

    def __init__(self, message: str, hint: str = "", option: str = "") -> None:
        super().__init__(message, hint)
        self.option = option


class CredentialError(ConfigError):
    """A credential reference cannot be followed: no such variable, file or command."""

    hint = "Check the credential reference in the configuration file."


class MissingLibrary(BackendError):
    """The backend needs a library that is not installed."""

    hint = "Install the backend's extra, for example: pip install 'token-console[aws]'."


class BrokenPlugin(BackendError):
    """A backend, sink or log source does not keep its contract, or cannot be loaded.

    The message names the distribution that brought it, the hint whom to tell.
    """

    hint = "This is a fault of the backend, not of the system: tell who wrote it."


class AuthFailed(BackendError):
    """The system does not accept the console's own credential."""

    hint = "The credential is wrong, expired or revoked: replace what the configuration points to."


class Forbidden(BackendError):
    """The credential is good, but may not do this."""

    hint = "Grant the missing permission to the console's credential."


class NotFound(BackendError):
    """The system says that there is no such thing."""

    hint = "It may be gone already; refresh the inventory."


class RateLimited(BackendError):
    """The system asks for patience. ``retry_after`` is in seconds, None where it did not say."""

    hint = "Wait; the console tries again by itself at the next refresh."

    def __init__(self, message: str, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after


class Unreachable(BackendError):
    """No connection: nothing that was to be sent has left."""

    hint = "Check the address, the network and whether the system is up."


class TimedOut(BackendError):
    """A read got no answer in time."""

    hint = "The system is slow or stuck; raise `timeout` in its configuration if it is just slow."


class ServerFault(BackendError):
    """The system answered a read with a fault of its own (5xx)."""

    hint = "The system has a fault; look at its own log and health page."


class BadAnswer(BackendError):
    """The answer is not what the system's interface promises (half a JSON, an endless page)."""

    hint = "Check that the address leads to the right kind of system, not to a proxy's login page."


class BentPath(BackendError):
    """An id that an address would bend into another path; nothing was asked."""

    hint = "Look for it in the system itself: its id cannot be written into an address."


class Refused(BackendError):
    """The system understood a change and declined it; nothing was changed."""

    hint = "Read the system's reason; a dependency may have to go first."


class NoIntent(BackendError):
    """A changing request was about to leave without a durable intent: a fault of the caller."""

    hint = "This is a defect in the console or a backend; nothing was sent."


class Unsupported(BackendError):
    """The system, or this backend, has no such ability."""

    hint = "See what it can do with `token-console backends`."
