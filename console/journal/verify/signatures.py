"""Whether the responders' signatures in a journal hold: openings, plans, intents, answers.

Every signature is an SSHSIG over ``entry.statement``. Openings and plans are signed by the
responder's own key, in the namespace of entries; intents, and what came of them, by the key
that a signed opening names, in the namespace of intents. An outcome bears the signature of
the same session as its intent: whoever holds the log's key alone can change neither. The
time at which a key had to be valid is the entry's own, by the writing machine's clock,
unless a witness's is at hand.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections import OrderedDict
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec.structs import replace

from console.journal.format import signing_session
from console.journal.format.entry import (
    ANSWERS_SIGNED,
    Body,
    Kind,
    SchemaError,
    parse,
    statement,
    statement_in,
)
from console.journal.format.parts import Sig
from console.journal.store import entries
from console.journal.store.base import JournalReader
from console.sshsig import sshsig
from console.sshsig.allowed import AllowedSigners
from console.sshsig.errors import SignatureRefused
from console.sshsig.mark import ENTRY, INTENT, SessionMark

_ANSWERS = (Kind.OUTCOME, Kind.EVIDENCE, Kind.RECOVERY, Kind.OBSERVE)
"""What came of a call, or was seen of it later."""
_REMEMBERED = 4096
_RAW = 64
"""Bytes of an Ed25519 signature, with which a blob ends."""


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
    signing_session.same(body.sig, data)
    if allowed is not None:
        try:
            found = signing_session.check(body.sig, said, allowed, _moment(body))
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


class _Seal(NamedTuple):
    """What all signatures of one session's key have in common, read once."""

    session: SessionMark
    refusal: NotAllowed | None
    parsed: sshsig.Parsed
    mark: Sig

    def check(self, sig: Sig, data: bytes, said: bytes) -> None:
        """Whether this is one over a statement. Raises ``SignatureRefused``."""
        if sig.principal != self.mark.principal:
            raise SignatureRefused("the entry names somebody else than its session's opening")
        if replace(self.mark, sig=sig.sig) != sig:
            raise SignatureRefused(
                "the entry says something else about its signature than is in it"
            )
        own = self.parsed.signature[:-_RAW] + data[-_RAW:]
        sshsig.check(self.parsed._replace(signature=own), said, INTENT)


class Owed(NamedTuple):
    """A signature by a session's key that is yet to be checked, which any thread may do."""

    seal: _Seal
    sig: Sig
    data: bytes
    said: bytes
    then: SignatureRefused | None
    """What is wrong with the entry even if it holds."""

    def check(self) -> SignatureRefused | None:
        """What is wrong with the signature itself."""
        try:
            self.seal.check(self.sig, self.data, self.said)
        except SignatureRefused as error:
            return error
        return None


class Checker:
    """Fed with every entry in order. Remembers the sessions that were opened.

    ``store`` is asked for the calls that later entries answer, where they were long ago.
    """

    def __init__(self, allowed: AllowedSigners | None, store: JournalReader | None = None) -> None:
        self._allowed = allowed
        self._store = store
        self._sessions: dict[bytes, tuple[SessionMark, NotAllowed | None]] = {}
        self._calls: OrderedDict[str, bytes] = OrderedDict()
        self._seals: dict[bytes, _Seal] = {}
        self.good = 0
        """Signatures that hold; whose keys they are is another question."""
        self.unbound = 0
        """Outcomes of signed calls that bear no signature; their runner never leaves it out."""
        self.first_unbound = 0
        self.later = 0
        """Later answers to signed calls (evidence, recoveries) that bear none: another process
        than the call's has no session."""

    def begin(self, store: JournalReader, upto: int) -> None:
        """Learn the sessions that were opened before, where the walk begins in the middle."""
        for leaf in entries.sessions(store, upto):
            self.step(parse(leaf))
        self.good = 0

    def step(self, body: Body, leaf: bytes | None = None) -> SignatureRefused | None:
        """What is wrong with the entry's signature; None where it has none, or a good one.

        ``leaf`` is the entry's bytes, where they are at hand: what was signed is cut from them.
        """
        found = self.look(body, leaf)
        return self.settled(found, found.check()) if isinstance(found, Owed) else found

    def settled(self, owed: Owed, wrong: SignatureRefused | None) -> SignatureRefused | None:
        """As ``step``, of what ``look`` gave, once it is known what its ``check`` says."""
        if wrong is not None:
            return wrong
        if owed.then is None or isinstance(owed.then, NotAllowed):
            self.good += 1
        return owed.then

    def look(self, body: Body, leaf: bytes | None = None) -> Owed | SignatureRefused | None:
        """As ``step``, but for the long part: to check the signature of a session's key."""
        if body.type is Kind.INTENT:
            self._remember(body)
        if body.sig is None:
            if body.type in _ANSWERS and body.v >= ANSWERS_SIGNED and self._caller(body):
                self._count(body)
            return None
        try:
            # A session's key signs its calls, what came of them, and what is decided about
            # a run; for all but the calls the responder's own key may stand too.
            by_session = body.type is Kind.INTENT or (
                body.type in (Kind.RUN, *_ANSWERS) and body.sig.namespace == INTENT
            )
            if by_session:
                said = statement(body) if leaf is None else statement_in(leaf)
                return self._by_session(body, body.sig, said)
            refused = self._responder(body)
        except SignatureRefused as error:
            return error
        self.good += 1
        return refused

    def _count(self, body: Body) -> None:
        if body.type is Kind.OUTCOME:
            self.unbound += 1
            self.first_unbound = self.first_unbound or body.seq
        else:
            self.later += 1

    def _responder(self, body: Body) -> NotAllowed | None:
        refusal = None
        try:
            check_responder(body, self._allowed)
        except NotAllowed as error:
            refusal = error
        if body.session is not None:
            mark = _session(body)
            self._sessions[signing_session.session_key_blob(mark)] = mark, refusal
        return refusal

    def _by_session(self, body: Body, sig: Sig, said: bytes) -> Owed:
        data = _blob(sig)
        seal = self._seals.get(data[:-_RAW]) or self._sealed_by(data)
        return Owed(seal, sig, data, said, self._then(body, seal))

    def _then(self, body: Body, seal: _Seal) -> SignatureRefused | None:
        """What is wrong with an entry that bears a good signature by that session's key."""
        if body.type not in _ANSWERS:
            try:
                signing_session.in_time(seal.session, _moment(body))
            except SignatureRefused as error:
                return error
        elif body.type is Kind.OUTCOME:
            caller = self._caller(body)
            if caller and caller != seal.parsed.key.blob:
                return SignatureRefused("signed in another session than the call that it answers")
        return seal.refusal

    def _sealed_by(self, data: bytes) -> _Seal:
        """The session whose key signed; all but a signature's last bytes are the same in each."""
        parsed = sshsig.parse(data)
        session, refusal = self._sessions.get(parsed.key.blob, (None, None))
        if session is None or parsed.key.certificate is not None:
            raise SignatureRefused("signed by a key that no signed session names")
        seal = _Seal(session, refusal, parsed, _marked(data, session))
        self._seals[data[:-_RAW]] = seal
        return seal

    def _caller(self, body: Body) -> bytes:
        """The key that signed the call which an entry answers; empty where none did."""
        ref = body.out.ref if body.out is not None else ""
        if ref and ref not in self._calls and self._store is not None:
            found = entries.with_id(self._store, ref)
            with contextlib.suppress(SchemaError):
                for leaf in found:
                    if (answered := parse(leaf)).type is Kind.INTENT:
                        self._remember(answered)
        return self._calls.get(ref, b"")

    def _remember(self, call: Body) -> None:
        key = b""
        if call.sig is not None:
            with contextlib.suppress(SignatureRefused):
                data = _blob(call.sig)
                seal = self._seals.get(data[:-_RAW])
                key = (sshsig.parse(data) if seal is None else seal.parsed).key.blob
        self._calls[call.id] = key
        if len(self._calls) > _REMEMBERED:
            self._calls.popitem(last=False)


def _marked(data: bytes, session: SessionMark) -> Sig:
    """What an entry says of a session key's signature: whose it is was told at its opening."""
    opened = session.sig.principal if session.sig is not None else ""
    return replace(signing_session.mark_of(data), principal=opened)


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
