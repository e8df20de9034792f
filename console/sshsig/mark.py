"""Signatures, sessions and logins as entries carry them. Importing this costs nothing."""

from __future__ import annotations

import msgspec

ENTRY = "journal-entry@token-console"
"""The SSHSIG namespace of what an operator signs. No other program's signature fits it."""
INTENT = "journal-intent@token-console"
"""The namespace of what a session's own key signs."""


class SignatureMark(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A signature in an entry. ``sig`` is the SSHSIG blob in base64, and the only proof.

    The other members repeat what the blob says, for people and for queries; a check
    compares them. ``key_fp`` is what ``ssh-keygen -l`` prints, for a certificate that of the
    key in it. ``sk_flags`` is the flags byte of a FIDO key: 1 touched, 4 user verified.
    ``principal`` is not in the blob: it is by what name allowed_signers listed the key when
    this was written, and a check with that file compares it. Empty without such a file.
    """

    alg: str
    key_fp: str
    sig: str
    namespace: str
    cert_principals: tuple[str, ...] = ()
    sk_flags: int | None = None
    principal: str = ""


class SessionMark(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What the entry that opens a session carries besides its reason, incident and log.

    ``session_key`` is the SSH form of the session's public key in base64; ``expires`` is in
    seconds of UTC. ``sig`` is over
    ``operator.session_statement``; without one, nothing is signed.
    """

    session_key: str = ""
    expires: int = 0
    sig: SignatureMark | None = None


class Sshd(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """How the login was authenticated, as a file of the user's says.

    sshd writes that file as the user (OpenSSH's session.c), who can write another one: this
    is a claim, and tells nobody from anybody. A signature does.
    """

    method: str
    key_fp: str = ""
