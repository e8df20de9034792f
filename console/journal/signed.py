"""Whether the responders' signatures in a journal hold: openings and plans, and intents.

Every signature is an SSHSIG over ``entry.statement``. Openings and plans are signed by the
responder's own key, in the namespace of entries; intents by the key that a signed opening
names, in the namespace of intents. The time at which a key had to be valid is the entry's
own, by the writing machine's clock, unless a witness's is at hand.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

from console.journal import operator
from console.journal.entry import Body, Kind, parse, statement
from console.journal.parts import Sig
from console.journal.ssh import sshsig
from console.journal.ssh.allowed import AllowedSigners
from console.journal.ssh.errors import SignatureRefused
from console.journal.ssh.mark import ENTRY, INTENT, SessionMark
from console.journal.store import Reader, raw


class NotAllowed(SignatureRefused):
    """A good signature, by somebody who is not known to be allowed to make it."""


def check_responder(body: Body, allowed: AllowedSigners | None) -> None:
    """Check the signature of an opening, a plan or a broken glass.

    Without ``allowed`` only that it is a good signature by the key that it names.

    Raises:
        NotAllowed: it is one, but not by somebody who is allowed to.
        SignatureRefused: it is none.
    """
    if body.sig is None:
        raise SignatureRefused("there is no signature")
    said, data = statement(body), _blob(body.sig)
    sshsig.check(sshsig.parse(data), said, ENTRY)
    operator.same(body.sig, data)
    if allowed is not None:
        try:
            found = operator.check(body.sig, said, allowed, _moment(body))
        except SignatureRefused as error:
            raise NotAllowed(str(error), error.hint) from None
        if body.sig.principal not in ("", found.principal):
            raise NotAllowed(
                f"the entry names {body.sig.principal}, and the list has the key "
                f"{found.key_fp} for {found.principal}",
                "The list may have changed since: look at its older versions.",
            )


def people(body: Body, allowed: AllowedSigners) -> frozenset[str]:
    """Whose signature an entry bears, by every name that the list has for its key.

    Raises: as ``check_responder``; ``SignatureRefused`` too, where the list names nobody.
    """
    check_responder(body, allowed)
    return owners(body.sig, allowed, _moment(body))


def owners(sig: Sig | None, allowed: AllowedSigners, at: datetime) -> frozenset[str]:
    """Whose key made a signature. Whether it holds is for ``check_responder`` to say."""
    if sig is None:
        raise SignatureRefused("there is no signature")
    return allowed.people(sshsig.parse(_blob(sig)).key, ENTRY, at)


class Checker:
    """Fed with every entry in order. Remembers the sessions that were opened."""

    def __init__(self, allowed: AllowedSigners | None) -> None:
        self._allowed = allowed
        self._sessions: dict[bytes, tuple[SessionMark, NotAllowed | None]] = {}

    def begin(self, store: Reader, upto: int) -> None:
        """Learn the sessions that were opened before, where the walk begins in the middle."""
        found = store.rows(
            "SELECT leaf FROM entry WHERE kind = 'session.open' AND seq <= ? ORDER BY seq", (upto,)
        )
        for (leaf,) in found:
            self.step(parse(raw(leaf)))

    def step(self, body: Body) -> SignatureRefused | None:
        """What is wrong with the entry's signature; None where it has none, or a good one."""
        if body.sig is None:
            return None
        try:
            # Whoever decides about a run may do so with the session's key, or their own.
            decided = body.type is Kind.RUN and body.sig.namespace == INTENT
            if body.type is Kind.INTENT or decided:
                return self._intent(body, body.sig)
            return self._responder(body)
        except SignatureRefused as error:
            return error

    def _responder(self, body: Body) -> NotAllowed | None:
        refusal = None
        try:
            check_responder(body, self._allowed)
        except NotAllowed as error:
            refusal = error
        if body.session is not None:
            mark = _session(body)
            self._sessions[operator.session_key_blob(mark)] = mark, refusal
        return refusal

    def _intent(self, body: Body, sig: Sig) -> NotAllowed | None:
        session, refusal = self._sessions.get(sshsig.parse(_blob(sig)).key.blob, (None, None))
        if session is None:
            raise SignatureRefused("signed by a key that no signed session names")
        operator.check_intent(sig, statement(body), session, _moment(body))
        if sig.principal != (session.sig.principal if session.sig is not None else ""):
            raise SignatureRefused("the entry names somebody else than its session's opening")
        return refusal


def _session(body: Body) -> SessionMark:
    part = body.session
    words = part.key.split(" ") if part is not None else []
    if part is None or len(words) != 2 or words[0] != "ssh-ed25519":
        raise SignatureRefused("the session's key cannot be read")
    return SessionMark(session_key=words[1], expires=part.expires // 1_000_000, sig=body.sig)


def _blob(sig: Sig) -> bytes:
    try:
        return base64.b64decode(sig.sig, validate=True)
    except (binascii.Error, ValueError):
        raise SignatureRefused("the entry's signature is damaged") from None


def _moment(body: Body) -> datetime:
    return datetime.fromtimestamp(body.t / 1_000_000, UTC)
