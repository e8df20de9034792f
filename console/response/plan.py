"""A plan: what will be done to a token, call by call, and every reason not to.

A plan is immutable. It is kept as a file (``plans/<id>.json``, private to its user) whose
SHA-256 goes into the journal when it is approved; the runner carries out that file or none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from backends.contract import Backend, Hazard, Proposal, Verb
from backends.model import EvidenceLevel, Token, decode, encode
from console.errors import PlanRefused
from console.journal import scan
from console.journal.describe import Entry
from console.journal.entry import ID, Kind, PlanMark, uuid7
from console.journal.log import AlreadyRecorded, Journal
from console.response import facts
from console.response.hazards import self_harm, undeclared
from console.response.signing import Desk, settings_of
from console.settings import Paths
from console.text import safe

VERSION = 1
TYPEABLE = 48
"""Characters. A longer name is confirmed by its handle, since typing it is no safeguard."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What will be done to one token. ``proposal`` holds the exact calls and the hazards."""

    id: str
    verb: Verb
    token: Token
    backend: str
    production: bool
    reason: str
    incident: str
    made_at: datetime
    proposal: Proposal
    evidence_ceiling: EvidenceLevel
    propagation: timedelta | None = None
    version: int = VERSION

    @property
    def typed_word(self) -> str:
        """What a person types to confirm: the token's name as the screen shows it.

        The handle instead, where the name is too long, empty, or not plain ASCII: it could
        look like another token's name, and not everybody could type it.
        """
        name = safe(self.token.name)
        plain = name.isascii() and name == self.token.name and " ".join(name.split()) == name
        return name if plain and 0 < len(name) <= TYPEABLE else self.token.ref.handle

    @property
    def fatal(self) -> tuple[Hazard, ...]:
        """The hazards that nobody can answer away."""
        return tuple(hazard for hazard in self.proposal.hazards if hazard.fatal)

    @property
    def questions(self) -> tuple[Hazard, ...]:
        """The hazards that have to be answered before the plan is approved."""
        return tuple(hazard for hazard in self.proposal.hazards if not hazard.fatal)


async def make(backend: Backend, verb: Verb, token: Token, reason: str, incident: str = "") -> Plan:
    """Ask the backend how it would do it, and add every reason of our own to stop.

    Changes nothing. The console's own credential, and whatever would end it, are fatal.

    Raises:
        ReasonRefused: the reason is too short, or holds what looks like a secret.
        Unsupported: the backend cannot do that at all.
        BackendError: the system cannot be asked.
    """
    reason = scan.reason(reason)
    incident = scan.incident(incident)
    declared = backend.capabilities().of(token.ref.kind)
    proposal = await backend.plan(verb, token)
    own = self_harm(await backend.whoami(), token, proposal.steps)
    hazards = (*own, *undeclared(declared, verb, proposal), *proposal.hazards)
    plan = Plan(
        id=uuid7(),
        verb=verb,
        token=token,
        backend=backend.name,
        production=backend.config.production,
        reason=reason,
        incident=incident,
        made_at=datetime.now(UTC),
        proposal=msgspec.structs.replace(proposal, hazards=hazards),
        evidence_ceiling=declared.ceiling,
        propagation=declared.propagation,
    )
    try:
        encode(plan)
    except UnicodeEncodeError:
        # A name with half a surrogate pair must not protect its token from being revoked.
        # The token's id and the calls have to be exact, so they are left alone.
        plain = msgspec.convert(_representable(msgspec.to_builtins(token)), Token)
        plan = msgspec.structs.replace(plan, token=msgspec.structs.replace(plain, ref=token.ref))
    return plan


def _representable(value: Any) -> Any:
    if isinstance(value, str):
        return facts.representable(value)
    if isinstance(value, dict):
        return {_representable(key): _representable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_representable(inner) for inner in value]
    return value


def approve(
    plan: Plan,
    journal: Journal,
    paths: Paths,
    typed: str | None,
    answered: Collection[str] | None = None,
    desk: Desk | None = None,
) -> Entry:
    """Let a plan be carried out: its file is made durable, its digest journaled.

    ``typed`` is what the responder typed, to be ``plan.typed_word``; ``answered`` has the
    codes of the hazards that were answered one by one, to be all that are not fatal; None
    says that all of them were on the screen when the word was typed. ``desk`` is where the
    responder signs; without one, that is as the configuration says. Signing may wait for a
    touch: keep this off the event loop.

    Raises:
        PlanRefused: a hazard is fatal or not answered, the word is another, the plan was
            approved before, or a signature is required and there is none.
        JournalError: the journal cannot take it.
    """
    refuse_fatal(plan)
    asked = {hazard.code for hazard in plan.questions}
    given = asked if answered is None else set(answered)
    missing = sorted(asked - given)
    if missing:
        raise PlanRefused(
            f"not answered yet: {', '.join(missing)}",
            " ".join(hazard.text for hazard in plan.questions if hazard.code in missing),
        )
    if typed is None or typed.strip() != plan.typed_word:
        raise PlanRefused(
            "what was typed is not the token's name", f"Type exactly: {plan.typed_word}"
        )
    desk = desk or Desk(settings_of(paths))
    session = desk.session(journal, plan.reason, plan.incident)
    save(plan, paths)
    try:
        return journal.append(
            Kind.PLAN,
            id=plan.id,
            why=plan.reason,
            incident=plan.incident,
            act=facts.act(plan.verb.value, plan.token),
            plan=PlanMark(
                sha256=digest(plan),
                steps=len(plan.proposal.steps),
                answered=tuple(sorted(facts.name(code, 64) for code in given)),
            ),
            sign=session.sign_statement,
        )
    except AlreadyRecorded:
        raise PlanRefused("this plan was approved before", "To do it again, plan again.") from None


def refuse_fatal(plan: Plan) -> None:
    """Raise ``PlanRefused`` when a hazard is one that nobody can answer away."""
    if plan.fatal:
        raise PlanRefused(
            " ".join(hazard.text for hazard in plan.fatal),
            "Nothing was sent, and no answer can change that.",
        )


def digest(plan: Plan) -> str:
    """The SHA-256 of the plan's file, in hexadecimal."""
    return hashlib.sha256(encode(plan)).hexdigest()


def file_of(plan_id: str, paths: Paths) -> Path:
    """Where a plan is kept. Raises ``PlanRefused`` for what is no plan's id."""
    if not ID.fullmatch(plan_id):
        raise PlanRefused(
            "that is not the id of a plan", "Approved plans: token-console journal list."
        )
    return paths.plans / f"{plan_id}.json"


def save(plan: Plan, paths: Paths) -> Path:
    """Write the plan's file, durable and private. The same plan may be saved twice.

    Raises:
        PlanRefused: there is another plan with this id, or the disk refuses.
    """
    path = file_of(plan.id, paths)
    content = encode(plan)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        paths.make()
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        try:
            # A link never replaces a file, which a rename would.
            os.link(draft, path)
        except FileExistsError:
            if path.read_bytes() != content:
                raise PlanRefused("another plan is kept under this id", "Plan again.") from None
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise PlanRefused(
            f"cannot keep the plan in {path.parent}: {error.strerror}",
            "Nothing was sent. Free space there, or mend its permissions.",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return path


def load(plan_id: str, paths: Paths) -> Plan:
    """The plan in the file. Whether it was approved is ``approval.approved``'s to say.

    Raises:
        PlanRefused: there is no such file, or it holds no plan.
    """
    return parse(content(plan_id, paths))


def content(plan_id: str, paths: Paths) -> bytes:
    """The bytes of the plan's file. Raises ``PlanRefused``."""
    try:
        return file_of(plan_id, paths).read_bytes()
    except OSError as error:
        raise PlanRefused(
            f"cannot read the plan {plan_id}: {error.strerror}", "Plan and approve again."
        ) from None


def parse(data: bytes) -> Plan:
    """The plan in these bytes. Raises ``PlanRefused``."""
    try:
        return decode(data, Plan)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise PlanRefused("the plan's file is damaged", "Plan and approve again.") from None
