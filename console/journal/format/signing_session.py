"""The operator's signature: one for a session, one for each plan, none to wait for in between.

The key in the operator's ssh-agent signs the opening of a session and every destructive
plan. The opening names a key that lives in this process's memory, and that one signs each
intent and what came of it: five hundred calls need no five hundred touches. All of them are
SSHSIG, so that
``ssh-keygen -Y verify`` checks them too.

Waiting for an agent can take a minute: keep ``Session.open`` and ``Session.sign_statement`` off
the event loop.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Self

import msgspec
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from console.errors import JournalError, PlanRefused
from console.settings.journal import Signatures
from console.sshsig import keys, sshsig
from console.sshsig.agent import Identity, SshAgent
from console.sshsig.allowed import AllowedSigners
from console.sshsig.errors import AgentError, NoAgent, SignatureRefused
from console.sshsig.mark import ENTRY, INTENT, SessionMark, SignatureMark

LIFETIME = 8 * 3600
"""Seconds that a session's key may sign for: one shift."""
LEEWAY = 300
"""Seconds by which an intent's entry may be later than its session's end: it is signed before
it waits for its turn in the journal."""
MAX_HAND_OVER = 32 * 1024
"""Bytes. A pipe takes more at once, so handing over never waits for the reader."""
_OFF = "signatures are turned off"


class SignatureRequired(PlanRefused):
    """The settings allow nothing without a signature, and there was none."""


class _HandOver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    log: str
    signatures: Signatures
    mark: SessionMark
    unsigned: str
    seed: str


def session_statement(
    *, log: str, incident: str, why: str, session_key: str, expires: int
) -> bytes:
    """What the operator signs to open a session, as RFC 8785 JSON.

    ``v`` and ``type`` keep it from ever being taken for another statement.
    """
    return _canonical(
        {
            "v": 1,
            "type": "session",
            "log": log,
            "incident": incident,
            "why": why,
            "session_key": session_key,
            "expires": expires,
        }
    )


class SigningSession:
    """One operator's session. Its private key is in memory, and goes with the process.

    ``mark`` is for the entry that opens it. ``unsigned`` says, in words for the operator,
    why a thing has no signature; it is empty while all have one.
    """

    def __init__(
        self,
        log: str,
        signatures: Signatures,
        mark: SessionMark,
        unsigned: str,
        private: Ed25519PrivateKey | None = None,
        signer: tuple[SshAgent, Identity] | None = None,
    ) -> None:
        self.log, self.signatures, self.mark, self.unsigned = log, signatures, mark, unsigned
        self._private, self._signer = private, signer

    @classmethod
    def open(
        cls,
        *,
        log: str,
        why: str,
        incident: str = "",
        signatures: Signatures = Signatures.PREFER,
        signing_key: str = "",
        lifetime: int = LIFETIME,
        environ: Mapping[str, str] = os.environ,
        statement: Callable[[str, int], bytes] | None = None,
        allowed: AllowedSigners | None = None,
    ) -> Self:
        """Open a session: ask the agent for one signature. May wait for a person.

        ``why`` and ``incident`` are as the journal takes them, which means scanned before.
        ``signing_key`` is a fingerprint or a comment; empty takes the agent's first usable.
        ``statement`` makes what is signed of the session's key and its end, for an entry
        that has more to say than ``session_statement``. With ``allowed``, only a key that
        is listed there is asked, and its listed name goes into every signature's mark.

        Raises:
            SignatureRequired: the settings require a signature and there is none.
            SignatureRefused: the agent's keys are not among the allowed ones.
        """
        if signatures is Signatures.OFF:
            return cls(log, signatures, SessionMark(), _OFF)
        private = Ed25519PrivateKey.generate()
        public = base64.b64encode(sshsig.public_blob(private)).decode()
        expires = int(time.time()) + lifetime
        said = (
            statement(public, expires)
            if statement is not None
            else session_statement(
                log=log, incident=incident, why=why, session_key=public, expires=expires
            )
        )
        try:
            agent = SshAgent.from_environ(environ)
            identity = agent.choose(signing_key, _may(allowed))
            signature = mark_of(sshsig.sign(agent, identity, ENTRY, said))
        except AgentError as error:
            return cls.absent(log, signatures, error)
        if allowed is not None:
            name = allowed.principal(keys.parse(identity.blob), ENTRY, None, datetime.now(UTC))
            signature = replace(signature, principal=name)
        mark = SessionMark(session_key=public, expires=expires, sig=signature)
        return cls(log, signatures, mark, "", private, (agent, identity))

    @classmethod
    def absent(cls, log: str, signatures: Signatures, error: AgentError | None = None) -> Self:
        """A session without a signature, where the settings allow one.

        Raises:
            SignatureRequired: they do not.
        """
        if signatures is Signatures.OFF:
            return cls(log, signatures, SessionMark(), _OFF)
        told = error or NoAgent("no session was handed over", "Approve the plan again.")
        if signatures is Signatures.REQUIRE:
            raise SignatureRequired(f"a signature is required, and {told}", told.hint) from None
        return cls(log, signatures, SessionMark(), str(told))

    @property
    def signed(self) -> bool:
        """Whether an operator's signature stands behind the session's key."""
        return self._private is not None

    @property
    def lives(self) -> bool:
        """Whether its key can still sign."""
        return self._private is not None and time.time() < self.mark.expires

    @property
    def standing(self) -> str:
        """For the screen: by which key the session is signed, or why it is not. Raw text."""
        if self.unsigned or self.mark.sig is None:
            return f"unsigned: {self.unsigned}"
        name, key = self.mark.sig.principal, self.mark.sig.key_fp
        return f"signed by {name}, {key}" if name else f"signed by {key}"

    def sign_intent(self, leaf: bytes) -> SignatureMark | None:
        """The session key's signature over an entry's bytes without their signature.

        About 50 µs and no waiting, so it has its place inside the journal's transaction.

        Returns:
            None in a session without a signature, and in one that has expired.

        Raises:
            SignatureRequired: the settings allow no entry without one.
        """
        if self._private is None or not self.lives:
            self._without()
            return None
        return self._named(mark_of(sshsig.sign_here(self._private, INTENT, leaf)))

    def _named(self, mark: SignatureMark) -> SignatureMark:
        """The mark with the name of whoever the session is of."""
        return replace(mark, principal=self.mark.sig.principal if self.mark.sig else "")

    def sign_answer(self, statement: bytes) -> SignatureMark | None:
        """The session key's signature over what came of a call; None in an unsigned session.

        Never refused, and given after the session's end too: the answer belongs to a call
        that was signed in time, and is owed to the journal whatever the clock says.
        """
        if self._private is None:
            return None
        return self._named(mark_of(sshsig.sign_here(self._private, INTENT, statement)))

    def sign_statement(self, statement: bytes) -> SignatureMark | None:
        """The operator's signature over a destructive plan. May wait for a person.

        ``statement`` is that of the plan's entry: its digest, verb, target and reason.

        Returns:
            None in a session without a signature, and when the agent is gone meanwhile,
            unless the settings require one.

        Raises:
            SignatureRequired: they do.
            PlanRefused: the agent is there and did not sign. Not to touch the key, or not
                to confirm, is a "no" to the plan, whatever the settings say.
        """
        if self._signer is None or not self.lives:
            self._without()
            return None
        agent, identity = self._signer
        try:
            return self._named(mark_of(sshsig.sign(agent, identity, ENTRY, statement)))
        except NoAgent as error:
            self._without(str(error))
            return None
        except AgentError as error:
            raise PlanRefused(
                f"the plan was not signed: {error}", f"Nothing was sent. {error.hint}"
            ) from None

    def _without(self, told: str = "") -> None:
        """No signature: that is an error where the settings require one."""
        if self.signed and not self.lives:
            told = "the session has expired"
        self.unsigned = told or self.unsigned or "this process has no agent to ask"
        if self.signatures is Signatures.REQUIRE:
            raise SignatureRequired(
                f"a signature is required, and {self.unsigned}", "Open a new session: plan again."
            )

    def hand_over(self) -> int:
        """A descriptor from which a runner takes the session over: a pipe, never a file.

        Give it to ``pass_fds``, close it, and let the runner call ``take_over``.
        """
        seed = self._private.private_bytes_raw() if self._private else b""
        content = msgspec.json.encode(
            _HandOver(
                log=self.log,
                signatures=self.signatures,
                mark=self.mark,
                unsigned=self.unsigned,
                seed=base64.b64encode(seed).decode(),
            )
        )
        if len(content) > MAX_HAND_OVER:
            raise JournalError(
                "the session is too large to hand over", "Use a smaller certificate."
            )
        reader, writer = os.pipe()
        try:
            os.write(writer, content)
        finally:
            os.close(writer)
        return reader

    @classmethod
    def take_over(cls, descriptor: int) -> Self:
        """The session behind a descriptor, which is closed. Plans cannot be signed in it.

        Raises:
            JournalError: there is no session behind it.
        """
        try:
            with os.fdopen(descriptor, "rb") as pipe:
                given = msgspec.json.decode(pipe.read(MAX_HAND_OVER), type=_HandOver)
            seed = base64.b64decode(given.seed, validate=True)
            private = Ed25519PrivateKey.from_private_bytes(seed) if seed else None
        except (OSError, ValueError, msgspec.MsgspecError):
            raise JournalError(
                "the session was not handed over whole", "Nothing was sent. Approve the plan again."
            ) from None
        return cls(given.log, given.signatures, given.mark, given.unsigned, private)


def _may(allowed: AllowedSigners | None) -> Callable[[keys.Key], object] | None:
    """Refuses the keys that may not sign entries now."""
    if allowed is None:
        return None
    return lambda key: allowed.principal(key, ENTRY, None, datetime.now(UTC))


def mark_of(signature: str | bytes) -> SignatureMark:
    """The mark for a signature that was just made, armoured or as a blob.

    Raises:
        SignatureRefused: it is none.
    """
    data = sshsig.dearmour(signature) if isinstance(signature, str) else signature
    parsed = sshsig.parse(data)
    use = sshsig.use_of(parsed)
    certificate = parsed.key.certificate
    return SignatureMark(
        alg=use.algorithm,
        key_fp=parsed.key.fingerprint,
        sig=base64.b64encode(data).decode(),
        namespace=parsed.namespace,
        cert_principals=certificate.principals if certificate else (),
        sk_flags=use.flags,
    )


def armoured(mark: SignatureMark) -> str:
    """The mark's signature as a ``.sig`` file for ``ssh-keygen``. Raises ``SignatureRefused``."""
    return sshsig.armour(_blob(mark))


def check(
    mark: SignatureMark,
    statement: bytes,
    allowed: AllowedSigners,
    at: datetime,
    principal: str | None = None,
    *,
    touch: bool = True,
    pin: bool = False,
) -> sshsig.CheckedSignature:
    """Who signed a session's opening or a plan. For ``at`` see ``sshsig.verify``.

    Raises:
        SignatureRefused: it is not valid or not allowed, or the mark says something else
            than the signature in it.
    """
    data = _blob(mark)
    found = sshsig.verify_blob(data, statement, ENTRY, allowed, principal, at, touch=touch, pin=pin)
    same(mark, data)
    return found


def check_intent(mark: SignatureMark, leaf: bytes, session: SessionMark, at: datetime) -> None:
    """Whether an intent is signed by its session's key. The session is for ``check`` to judge.

    ``leaf`` is the entry's bytes without the signature, ``at`` when it was written.

    Raises:
        SignatureRefused: it is not.
    """
    data = _blob(mark)
    parsed = sshsig.parse(data)
    sshsig.check(parsed, leaf, INTENT)
    same(mark, data)
    known = session_key_blob(session)
    if parsed.key.certificate is not None or parsed.key.blob != known:
        wanted = keys.fingerprint(known)
        raise SignatureRefused(
            f"signed by {parsed.key.fingerprint}, and the session's key is {wanted}"
        )
    in_time(session, at)


def in_time(session: SessionMark, at: datetime) -> None:
    """Whether a session's key could still sign an intent then. Raises ``SignatureRefused``."""
    if at >= datetime.fromtimestamp(session.expires + LEEWAY, UTC):
        raise SignatureRefused("signed after the session had expired")


def session_key_blob(session: SessionMark) -> bytes:
    """The session's public key, as ``allowed.line_for`` takes it. Raises ``SignatureRefused``."""
    try:
        return base64.b64decode(session.session_key, validate=True)
    except ValueError:
        raise SignatureRefused("the session's key cannot be read") from None


def same(mark: SignatureMark, data: bytes) -> None:
    """Whether a mark says what is in its blob. Raises ``SignatureRefused``.

    The listed name is not in there: whoever has the list of allowed signers compares it.
    """
    if replace(mark, principal="") != mark_of(data):
        raise SignatureRefused("the entry says something else about its signature than is in it")


def _blob(mark: SignatureMark) -> bytes:
    try:
        return base64.b64decode(mark.sig, validate=True)
    except ValueError:
        raise SignatureRefused("the entry's signature is damaged") from None


def _canonical(value: object) -> bytes:
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise JournalError(
            f"cannot be signed: not to be written as RFC 8785 JSON ({type(error).__name__})"
        ) from None
