"""The sums over all files of a pack, and who signs them: the log's key, and the responder's."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from console.incident.pack.guide import NAMESPACE, NOTE_TITLE, PRINCIPAL
from console.journal.export import guide
from console.journal.export.common import sums
from console.journal.format.signing_session import SignatureRequired
from console.settings.journal import JournalSettings, Signatures
from console.sshsig import keys, sshsig
from console.sshsig.agent import Identity, SshAgent
from console.sshsig.allowed import AllowedSigners
from console.sshsig.errors import AgentError, SignatureRefused
from console.sshsig.mark import ENTRY
from console.tlog.note import NoteSignature, Signer

NOTE = f"{guide.SUMS}.note"
SIG = f"{guide.SUMS}.sig"
SIGNERS = "allowed_signers"
PUBLIC = "the pack is for outsiders: a responder's key would say who they are"


class Hand(NamedTuple):
    """The key of the agent that signs a pack, if there is one, and else why not."""

    agent: SshAgent | None
    identity: Identity | None
    name: str
    """By what name the list of allowed signers has it; empty without such a list."""
    why_not: str = ""


def hand(
    settings: JournalSettings,
    allowed: AllowedSigners | None,
    *,
    ask: bool,
    environ: Mapping[str, str] = os.environ,
) -> Hand:
    """The responder's key, as the settings want it. ``ask`` is whether it is to sign at all.

    A certificate is not used: who checks a pack needs no more than the key.

    Raises:
        SignatureRequired: the settings require a signature, and there is none.
        SignatureRefused: the agent's keys are not among the allowed ones.
    """
    if not ask or settings.signatures is Signatures.OFF:
        return Hand(None, None, "", "signatures are turned off" if ask else "nobody was asked")

    def may(key: keys.Key) -> None:
        if key.certificate is not None:
            raise SignatureRefused("a certificate does not sign a pack", "Add its plain key.")
        if allowed is not None:
            allowed.principal(key, ENTRY, None, datetime.now(UTC))

    try:
        agent = SshAgent.from_environ(environ)
        identity = agent.choose(settings.signing_key, may)
    except AgentError as error:
        if settings.signatures is Signatures.REQUIRE:
            raise SignatureRequired(f"a signature is required, and {error}", error.hint) from None
        return Hand(None, None, "", str(error))
    name = ""
    if allowed is not None:
        name = allowed.principal(keys.parse(identity.blob), ENTRY, None, datetime.now(UTC))
    return Hand(agent, identity, name)


def signers(place: Path, signing: Hand) -> None:
    """Write the responder's public key in OpenSSH's form, for whoever checks."""
    if signing.identity is None:
        return
    key = keys.parse(signing.identity.blob)
    public = base64.b64encode(key.blob).decode("ascii")
    (place / SIGNERS).write_text(f'{PRINCIPAL} namespaces="{NAMESPACE}" {key.type} {public}\n')


def seal(place: Path, signer: Signer, signing: Hand) -> None:
    """Write the sums over all that is there, and sign them. May wait for a person.

    Raises:
        AgentError: the responder's agent was there and did not sign.
        OSError: a file cannot be read or written.
    """
    text = sums(place)
    (place / guide.SUMS).write_text(text)
    responder = "none"
    if signing.agent is not None and signing.identity is not None:
        made = sshsig.sign(signing.agent, signing.identity, NAMESPACE, text.encode())
        (place / SIG).write_text(made)
        responder = hashlib.sha256(made.encode()).hexdigest()
    digest = hashlib.sha256(text.encode()).hexdigest()
    body = f"{NOTE_TITLE}\n{guide.SUMS} {digest}\n{SIG} {responder}\n"
    line = NoteSignature(signer.name, signer.key_id, signer.sign(body.encode())).line()
    (place / NOTE).write_text(f"{body}\n{line}")
