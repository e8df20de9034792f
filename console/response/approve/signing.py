"""The responder's signature: a session opened with the first approval, and what it vouches for.

The agent may wait for a touch, so approvals belong off the event loop. The rules of which
signature is over what are those of ``console.journal.verify.signatures``.
"""

from __future__ import annotations

import threading

from console.errors import JournalError, PlanRefused
from console.journal.format import scan
from console.journal.format.entry import Kind, SchemaError, uuid7
from console.journal.format.parts import Session as SessionPart
from console.journal.format.parts import Sig
from console.journal.format.signing_session import SignatureRequired, SigningSession
from console.journal.verify import signatures
from console.journal.write.journal import Journal
from console.response.approve.requirements import Requirements
from console.settings.journal import JournalSettings, Signatures
from console.sshsig.allowed import AllowedSigners
from console.sshsig.errors import AllowedSignersError, SignatureRefused


class Responder:
    """The person at this process, who signs what they approve. Safe between threads.

    A session is opened with the first approval and serves the later ones of the same
    incident for as long as it lives. One that was not to be had is asked for again.
    """

    def __init__(self, settings: JournalSettings) -> None:
        self.settings = settings
        self._threads = threading.Lock()
        self._session: SigningSession | None = None
        self._incident = ""

    @property
    def current(self) -> SigningSession | None:
        """The session of the last approval, to be handed over to its runner."""
        return self._session

    @property
    def standing(self) -> str:
        """For the screen: by which key the session is signed, or why none is. Raw text."""
        return self._session.standing if self._session is not None else ""

    def session(
        self, journal: Journal, rules: Requirements, why: str, incident: str = ""
    ) -> SigningSession:
        """The session to approve in; a new one is in the journal when this returns.

        Without a signature there is no session to journal: its key would be nobody's.
        ``rules`` say who may sign, and which configuration is in force.

        Raises:
            SignatureRequired: the settings require a signature and there is none.
            PlanRefused: no key of the agent's may sign; each is named in full.
            AllowedSignersError: the list of allowed signers cannot be used.
            JournalError: the journal cannot take it.
        """
        with self._threads:
            held = self._session
            if held is None or not held.lives or self._incident != incident:
                held = _open(journal, self.settings, rules, why, incident)
                self._session, self._incident = held, incident
            return held


def _open(
    journal: Journal, settings: JournalSettings, rules: Requirements, why: str, incident: str
) -> SigningSession:
    why, incident, id_ = scan.reason(why), scan.incident(incident), uuid7()

    def part(key: str, expires: int) -> SessionPart:
        return SessionPart(key=f"ssh-ed25519 {key}", expires=expires * 1_000_000)

    def statement(key: str, expires: int) -> bytes:
        told = part(key, expires)
        return journal.statement(Kind.SESSION_OPEN, id_, why, incident, told, rules.mark)

    try:
        session = SigningSession.open(
            log=journal.origin,
            why=why,
            incident=incident,
            signatures=Signatures(settings.signatures),
            signing_key=settings.signing_key,
            statement=statement,
            allowed=rules.signers,
        )
    except SignatureRefused as error:
        raise PlanRefused(
            f"the ssh-agent's key may not sign here: {error}", f"Nothing was sent. {error.hint}"
        ) from None
    if not session.signed:
        return session
    mark = session.mark

    def sign(said: bytes) -> Sig | None:
        if said != statement(mark.session_key, mark.expires):
            raise JournalError("the session's entry is not what was signed")
        return mark.sig

    journal.append(
        Kind.SESSION_OPEN,
        id=id_,
        why=why,
        incident=incident,
        session=part(mark.session_key, mark.expires),
        config=rules.mark,
        sign=sign,
    )
    return session


def taken_over(
    session: SigningSession | None, journal: Journal, settings: JournalSettings
) -> SigningSession:
    """The session that a runner signs its intents in, under the settings of today.

    Raises:
        SignatureRequired: the settings require a signature, and no signed session came.
    """
    wanted = Signatures(settings.signatures)
    if wanted is Signatures.OFF or session is None or session.log != journal.origin:
        return SigningSession.absent(journal.origin, wanted)
    session.signatures = wanted
    if wanted is Signatures.REQUIRE and not session.lives:
        raise SignatureRequired(
            f"a signature is required, and {session.unsigned or 'the session has expired'}",
            "Nothing was sent. Plan and approve again.",
        )
    return session


def check_approval(plan_id: str, journal: Journal, settings: JournalSettings) -> None:
    """Whether the plan's approval bears the signature that the settings ask for.

    A signature that is there is checked in any case: a wrong one is worse than none.

    Raises:
        PlanRefused: it does not, or the file of allowed signers cannot be used.
    """
    entry = journal.get(plan_id)
    try:
        body = entry.body if entry is not None else None
        if body is None or body.sig is None:
            if settings.signatures == Signatures.REQUIRE:
                raise SignatureRequired(
                    "a signature is required, and the approval has none",
                    "Nothing was sent. Load your key into an ssh-agent, then plan again.",
                )
            return
        path = settings.allowed_signers
        allowed = AllowedSigners.load(path) if path is not None else None
        signatures.check_responder(body, allowed)
    except (SignatureRefused, AllowedSignersError) as error:
        raise PlanRefused(
            f"the approval's signature does not hold: {error}", f"Nothing was sent. {error.hint}"
        ) from None
    except SchemaError:
        raise PlanRefused("the approval cannot be read", "Nothing was sent.") from None
