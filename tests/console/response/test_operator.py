"""The operator's session: signed, unsigned where that is allowed, and handed to a runner."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import rfc8785
from patience import HANG
from ssh_tools import (
    NAMESPACE,
    FidoKey,
    certify,
    fake_agent,
    fingerprint,
    keygen,
    keygen_accepts,
    must,
    needs_openssh,
    public,
    ssh_agent,
)

from console.errors import JournalError, PlanRefused
from console.journal.format import signing_session
from console.journal.format.signing_session import SignatureRequired, SigningSession
from console.journal.format.who import sshd
from console.settings.journal import Signatures
from console.sshsig.allowed import AllowedSigners, line_for
from console.sshsig.errors import SignatureRefused
from console.sshsig.mark import INTENT, SessionMark, SignatureMark, Sshd
from console.sshsig.wire import string

LOG, WHY = "bastion-1/0190", "leaked in a public repository"
LEAF = rfc8785.dumps({"v": 1, "type": "intent", "why": WHY})
PLAN = rfc8785.dumps({"type": "plan", "act": {"verb": "revoke", "backend": "vault"}})
ALICE = "alice@example.com"


def opened(
    path: str, signatures: Signatures = Signatures.REQUIRE, **more: object
) -> SigningSession:
    environ = {"SSH_AUTH_SOCK": path} if path else {}
    return SigningSession.open(
        log=LOG,
        why=WHY,
        incident="INC-1",
        signatures=signatures,
        environ=environ,
        **more,  # type: ignore[arg-type]
    )


def statement_of(mark: SessionMark, why: str = WHY) -> bytes:
    return signing_session.session_statement(
        log=LOG, incident="INC-1", why=why, session_key=mark.session_key, expires=mark.expires
    )


def now() -> datetime:
    return datetime.now(UTC)


@needs_openssh
def test_a_session_a_plan_and_its_intents_are_signed_and_others_can_check_them(
    tmp_path: Path,
) -> None:
    key = keygen(tmp_path / "key")
    allowed = f'{ALICE} namespaces="{NAMESPACE}" {public(key)}\n'
    signers = AllowedSigners.parse(allowed)
    with ssh_agent() as agent:
        must("ssh-add", key, sock=agent.path)
        session = opened(agent.path)
        plan = session.sign_statement(PLAN)
    assert session.standing == f"signed by {fingerprint(key)}"
    opening, intent = session.mark.sig, session.sign_intent(LEAF)
    assert opening
    assert plan
    assert intent
    statement = statement_of(session.mark)
    assert signing_session.check(opening, statement, signers, now()).principal == ALICE
    assert keygen_accepts(tmp_path, signing_session.armoured(opening), statement, allowed, ALICE)
    assert signing_session.check(plan, PLAN, signers, now(), ALICE).key_fp == fingerprint(key)
    signing_session.check_intent(intent, LEAF, session.mark, now())
    # One statement is never another's, and what was tampered with is refused.
    for mark, text in (
        (opening, statement_of(session.mark, "another reason altogether")),
        (opening, PLAN),
        (plan, statement),
        (plan, PLAN.replace(b"revoke", b"rotate")),
        (intent, LEAF),
    ):
        with pytest.raises(SignatureRefused):
            signing_session.check(mark, text, signers, now())
    assert not keygen_accepts(
        tmp_path, signing_session.armoured(opening), statement + b" ", allowed, ALICE
    )
    with pytest.raises(SignatureRefused):
        signing_session.check_intent(intent, LEAF + b" ", session.mark, now())
    with pytest.raises(SignatureRefused, match="not for"):
        signing_session.check_intent(opening, statement, session.mark, now())
    with pytest.raises(SignatureRefused, match="expired"):
        signing_session.check_intent(intent, LEAF, session.mark, now() + timedelta(days=1))


@needs_openssh
def test_intents_can_be_checked_with_ssh_keygen_alone(tmp_path: Path) -> None:
    key = keygen(tmp_path / "key")
    with ssh_agent() as agent:
        must("ssh-add", key, sock=agent.path)
        session = opened(agent.path)
    intent = session.sign_intent(LEAF)
    assert intent
    (tmp_path / "sig").write_text(signing_session.armoured(intent))
    blob = signing_session.session_key_blob(session.mark)
    (tmp_path / "signers").write_text(line_for("session-1", blob, INTENT))
    verify = ("ssh-keygen", "-Y", "verify", "-f", tmp_path / "signers", "-I", "session-1")
    must(*verify, "-n", INTENT, "-s", tmp_path / "sig", stdin=LEAF)


@needs_openssh
def test_a_certificate_is_in_the_mark_and_counts_in_its_time(tmp_path: Path) -> None:
    ca, key = keygen(tmp_path / "ca"), keygen(tmp_path / "key")
    certify(ca, key, "-n", ALICE, "-V", "20260101000000Z:20260201000000Z")
    signers = AllowedSigners.parse(f"*@example.com cert-authority {public(ca)}")
    with ssh_agent() as agent:
        must("ssh-add", key, sock=agent.path)
        session = opened(agent.path)
    mark = session.mark.sig
    assert mark
    assert mark.cert_principals == (ALICE,)
    assert mark.key_fp == fingerprint(key)
    statement = statement_of(session.mark)
    assert signing_session.check(mark, statement, signers, datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(SignatureRefused, match="expired"):
        signing_session.check(mark, statement, signers, now())
    assert msgspec.json.decode(msgspec.json.encode(mark), type=SignatureMark) == mark


def test_a_mark_that_says_more_than_its_signature_is_refused() -> None:
    fido = FidoKey(flags=1)
    with fake_agent(fido.answer) as path:
        session = opened(path)
    mark = session.mark.sig
    assert mark
    assert mark.sk_flags == 1
    signers = AllowedSigners.parse(f"{ALICE} {fido.line}")
    statement = statement_of(session.mark)
    signing_session.check(mark, statement, signers, now())
    with pytest.raises(SignatureRefused, match="PIN"):
        signing_session.check(mark, statement, signers, now(), pin=True)
    for lie in ({"sk_flags": 5}, {"cert_principals": ("root",)}, {"key_fp": "SHA256:x"}):
        with pytest.raises(SignatureRefused, match="something else"):
            signing_session.check(msgspec.structs.replace(mark, **lie), statement, signers, now())
    with pytest.raises(SignatureRefused):
        signing_session.check(msgspec.structs.replace(mark, sig="!"), statement, signers, now())


def test_the_setting_decides_what_no_signature_means() -> None:
    session = opened("", Signatures.PREFER)
    assert not session.signed
    assert session.standing == "unsigned: there is no ssh-agent: SSH_AUTH_SOCK is not set"
    assert session.sign_intent(LEAF) is None
    assert session.sign_statement(PLAN) is None
    with pytest.raises(SignatureRequired, match="no ssh-agent") as caught:
        opened("")
    assert "ssh-add" in caught.value.hint
    with pytest.raises(PlanRefused, match="no session was handed over"):
        SigningSession.absent(LOG, Signatures.REQUIRE)
    with fake_agent(FidoKey().answer) as path:
        session = opened(path, Signatures.OFF)
    assert (session.mark, session.standing) == (
        SessionMark(),
        "unsigned: signatures are turned off",
    )
    assert session.sign_intent(LEAF) is None


@pytest.mark.parametrize("signatures", [Signatures.PREFER, Signatures.REQUIRE])
def test_not_to_touch_the_key_is_a_no_to_the_plan(signatures: Signatures) -> None:
    fido = FidoKey()
    refusing: list[bool] = []

    def answer(request: bytes) -> bytes:
        refuses = refusing and request[:1] == b"\x0d"
        return string(b"\x05") if refuses else fido.answer(request)

    with fake_agent(answer) as path:
        session = opened(path, signatures)
        refusing.append(True)
        with pytest.raises(PlanRefused, match="not signed") as caught:
            session.sign_statement(PLAN)
    assert "Nothing was sent" in caught.value.hint


def test_an_agent_that_went_away_leaves_the_plan_unsigned_only_where_that_is_allowed() -> None:
    with fake_agent(FidoKey().answer) as path:
        preferring, requiring = opened(path, Signatures.PREFER), opened(path)
    assert preferring.sign_statement(PLAN) is None
    assert preferring.standing.startswith("unsigned: the ssh-agent cannot be reached")
    assert preferring.sign_intent(LEAF) is not None
    with pytest.raises(SignatureRequired):
        requiring.sign_statement(PLAN)


def test_an_expired_session_signs_nothing_more() -> None:
    with fake_agent(FidoKey().answer) as path:
        preferring = opened(path, Signatures.PREFER, lifetime=0)
        requiring = opened(path, lifetime=0)
        assert preferring.sign_intent(LEAF) is None
        assert preferring.sign_statement(PLAN) is None
        assert preferring.standing == "unsigned: the session has expired"
        with pytest.raises(SignatureRequired, match="expired"):
            requiring.sign_intent(LEAF)


def test_a_runner_takes_the_session_over_and_no_file_ever_holds_its_key() -> None:
    with fake_agent(FidoKey().answer) as path:
        session = opened(path)
    descriptor = session.hand_over()
    code = (
        "import sys, msgspec\n"
        "from console.journal.format.signing_session import SigningSession\n"
        "session = SigningSession.take_over(int(sys.argv[1]))\n"
        "assert session.signed\n"
        "mark = session.sign_intent(sys.stdin.buffer.read())\n"
        "sys.stdout.buffer.write(msgspec.json.encode(mark))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(descriptor)],
        input=LEAF,
        stdout=subprocess.PIPE,
        pass_fds=[descriptor],
        check=True,
        timeout=HANG,
    )
    os.close(descriptor)
    mark = msgspec.json.decode(done.stdout, type=SignatureMark)
    signing_session.check_intent(mark, LEAF, session.mark, now())
    with fake_agent(FidoKey().answer) as path:
        other = opened(path)
    with pytest.raises(SignatureRefused, match="the session's key is"):
        signing_session.check_intent(mark, LEAF, other.mark, now())
    taken = SigningSession.take_over(session.hand_over())
    with pytest.raises(SignatureRequired, match="no agent to ask"):
        taken.sign_statement(PLAN)
    unsigned = SigningSession.take_over(opened("", Signatures.PREFER).hand_over())
    assert unsigned.standing.startswith("unsigned: there is no ssh-agent")
    reader, writer = os.pipe()
    os.write(writer, b"{}")
    os.close(writer)
    with pytest.raises(JournalError, match="not handed over"):
        SigningSession.take_over(reader)


def test_the_statements_are_fixed_bytes_that_others_can_make_too() -> None:
    assert signing_session.session_statement(
        log="l", incident="", why="w", session_key="AAAA", expires=1
    ) == (
        b'{"expires":1,"incident":"","log":"l","session_key":"AAAA",'
        b'"type":"session","v":1,"why":"w"}'
    )
    with pytest.raises(JournalError, match="cannot be signed"):
        signing_session.session_statement(
            log="l", incident="", why="\ud800", session_key="", expires=1
        )


@needs_openssh
def test_what_sshd_says_about_the_login_is_read_from_a_private_file_only(tmp_path: Path) -> None:
    key, path = keygen(tmp_path / "key"), tmp_path / "sshauth"
    environ = {"SSH_USER_AUTH": str(path)}
    assert sshd({}) is None
    assert sshd(environ) is None
    path.write_text(f"publickey {public(key)}\nkeyboard-interactive/pam\n")
    path.chmod(0o644)
    assert sshd(environ) is None
    path.chmod(0o600)
    assert sshd(environ) == Sshd(
        method="publickey,keyboard-interactive/pam", key_fp=fingerprint(key)
    )
    certificate = certify(keygen(tmp_path / "ca"), key, "-n", ALICE).read_text().split()
    path.write_text(f"publickey {certificate[0]} {certificate[1]}\n")
    assert sshd(environ) == Sshd(method="publickey", key_fp=fingerprint(key))
    path.write_text("password\n")
    assert sshd(environ) == Sshd(method="password")
    for text in ("", "\n", "publickey ssh-ed25519 AAAA====\n\n", "publickey ssh-dss é\n"):
        path.write_text(text)
        found = sshd(environ)
        assert found is None or found.key_fp == ""
    (tmp_path / "link").symlink_to(path)
    assert sshd({"SSH_USER_AUTH": str(tmp_path / "link")}) is None
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert sshd({"SSH_USER_AUTH": str(tmp_path / "fifo")}) is None


@pytest.mark.bench
def test_what_signatures_cost(capsys: pytest.CaptureFixture[str]) -> None:
    with fake_agent(FidoKey().answer) as path:
        session = opened(path)
    began = time.perf_counter()
    for _ in range(1000):
        session.sign_intent(LEAF)
    with capsys.disabled():
        print(f"\nsign_intent: {(time.perf_counter() - began) * 1000:.0f} µs")
