"""What can go wrong with an operator's signature."""

from __future__ import annotations

from console.errors import ConsoleError, UsageError


class Malformed(ValueError):
    """Bytes that do not follow the SSH wire format. Callers turn it into one of the others."""


class SignatureRefused(ConsoleError):
    """The signature is not valid, or not by somebody who is allowed to make it."""


class AllowedSignersError(UsageError):
    """The allowed_signers file cannot be used. The message names file and line."""


class AgentError(ConsoleError):
    """No signature was to be had from the ssh-agent."""


class NoAgent(AgentError):
    """There is no ssh-agent to ask, or it holds no key."""


class AgentRefused(AgentError):
    """The agent is there and said no."""


class AgentBroken(AgentError):
    """The agent does not speak its protocol, or does not answer in time."""


class KeyUnusable(AgentError):
    """A key of a kind, or of a size, that no signature here may be made with."""
