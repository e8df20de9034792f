"""Asking an ssh-agent: real ones that say no, and false ones that say anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from ssh_tools import (
    NAMESPACE,
    Answer,
    FidoKey,
    certify,
    fake_agent,
    fingerprint,
    keygen,
    must,
    needs_openssh,
    public,
    run,
    ssh_agent,
)

from console.sshsig import keys, sshsig
from console.sshsig.agent import MAX_FRAME, SshAgent
from console.sshsig.errors import AgentBroken, AgentError, AgentRefused, KeyUnusable, NoAgent
from console.sshsig.wire import string, u32


def test_no_agent_is_said_with_what_to_do_about_it(tmp_path: Path) -> None:
    for environ in ({}, {"SSH_AUTH_SOCK": str(tmp_path / "gone")}):
        with pytest.raises(NoAgent) as caught:
            SshAgent.from_environ(environ)
        assert "ssh-add" in caught.value.hint
    for path in (str(tmp_path / "gone"), "/" + "x" * 200):
        with pytest.raises(NoAgent, match="cannot be reached"):
            SshAgent(path).identities()


@needs_openssh
def test_the_key_that_is_named_signs_and_else_the_first_usable(tmp_path: Path) -> None:
    weak, first = keygen(tmp_path / "weak", "rsa", "-b", "1024"), keygen(tmp_path / "first")
    second, ca = keygen(tmp_path / "second"), keygen(tmp_path / "ca")
    with ssh_agent() as agent:
        with pytest.raises(NoAgent, match="no key"):
            agent.choose()
        must("ssh-add", weak, sock=agent.path)
        with pytest.raises(KeyUnusable, match="1024 bits"):
            agent.choose()
        must("ssh-add", first, second, sock=agent.path)
        assert agent.choose().comment == "key first"
        assert agent.choose(fingerprint(second)).comment == "key second"
        assert agent.choose("key second").comment == "key second"
        with pytest.raises(KeyUnusable, match="configured name"):
            agent.choose("SHA256:nothing")
        # A certificate names its owner, so it goes before the plain keys.
        certify(ca, second, "-n", "alice")
        must("ssh-add", second, sock=agent.path)
        assert keys.parse(agent.choose().blob).certificate is not None


@needs_openssh
def test_a_locked_agent_is_recognised(tmp_path: Path) -> None:
    key = keygen(tmp_path / "key")
    with ssh_agent() as agent:
        must("ssh-add", key, sock=agent.path)
        identity = agent.choose()
        environ = {"SSH_ASKPASS": str(_askpass(tmp_path)), "SSH_ASKPASS_REQUIRE": "force"}
        must(
            "env",
            *(f"{name}={value}" for name, value in environ.items()),
            "ssh-add",
            "-x",
            sock=agent.path,
        )
        with pytest.raises(AgentRefused) as caught:
            sshsig.sign(agent, identity, NAMESPACE, b"m")
        assert "ssh-add -X" in caught.value.hint
        with pytest.raises(NoAgent, match="locked"):
            agent.choose()


@needs_openssh
def test_a_key_for_certain_hosts_only_is_refused_with_the_reason(tmp_path: Path) -> None:
    key, host = keygen(tmp_path / "key"), keygen(tmp_path / "host")
    known = tmp_path / "known_hosts"
    known.write_text(f"bastion.example.com {public(host)}\n")
    with ssh_agent() as agent:
        done = run("ssh-add", "-H", known, "-h", "bastion.example.com", key, sock=agent.path)
        if done.returncode:
            pytest.skip(f"this OpenSSH knows no ssh-add -h: {done.stderr.decode().splitlines()[0]}")
        with pytest.raises(AgentRefused) as caught:
            sshsig.sign(agent, agent.choose(), NAMESPACE, b"m")
    assert "ssh-add -h" in caught.value.hint


@needs_openssh
def test_a_key_whose_use_was_not_confirmed_is_refused(tmp_path: Path) -> None:
    key = keygen(tmp_path / "key")
    with ssh_agent() as agent:
        # With no program to ask with, the agent takes the answer for a no.
        must("ssh-add", "-c", key, sock=agent.path)
        with pytest.raises(AgentRefused) as caught:
            sshsig.sign(agent, agent.choose(), NAMESPACE, b"m")
    assert "ssh-add -c" in caught.value.hint


HOSTILE: dict[str, Answer] = {
    "oversized": lambda _: u32(MAX_FRAME + 1) + b"\x0c" * 100,
    "huge": lambda _: b"\xff" * 4 + b"\x0c" * 100,
    "empty": lambda _: u32(0),
    "garbage": lambda _: b"HTTP/1.1 200 OK\r\n\r\n",
    "other type": lambda _: string(b"\x06" + u32(0)),
    "too many": lambda _: string(b"\x0c" + b"\xff" * 4),
    "surplus": lambda _: string(b"\x0c" + u32(0) + b"x"),
    "hang-up": lambda _: u32(1000) + b"\x0c",
    "nothing": lambda _: b"",
    "silent": lambda _: None,
}


@pytest.mark.parametrize("how", HOSTILE)
def test_what_is_no_agent_is_told_so_within_bounds(how: str) -> None:
    with fake_agent(HOSTILE[how]) as path:
        agent = SshAgent(path, list_timeout=0.3, sign_timeout=0.3)
        with pytest.raises(AgentBroken) as caught:
            agent.identities()
        assert caught.value.hint
        with pytest.raises(AgentError):
            agent.sign(FidoKey().blob, b"data")


def test_a_signature_that_is_none_is_never_taken_for_one() -> None:
    honest, other = FidoKey(), FidoKey()

    def by_another(request: bytes) -> bytes:
        return (honest if request[:1] == b"\x0b" else other).answer(request)

    def garbage(request: bytes) -> bytes:
        return honest.answer(request) if request[:1] == b"\x0b" else string(b"\x0e" + string(b"x"))

    for answer in (by_another, garbage):
        with fake_agent(answer) as path:
            agent = SshAgent(path)
            with pytest.raises(AgentBroken, match="not valid"):
                sshsig.sign(agent, agent.choose(), NAMESPACE, b"m")


def test_a_fido_key_that_signs_untouched_is_no_use() -> None:
    with fake_agent(FidoKey(flags=0).answer) as path:
        agent = SshAgent(path)
        with pytest.raises(KeyUnusable, match="without being touched"):
            sshsig.sign(agent, agent.choose(), NAMESPACE, b"m")
    with fake_agent(FidoKey().answer) as path:
        agent = SshAgent(path)
        assert sshsig.sign(agent, agent.choose(), NAMESPACE, b"m")

    fido = FidoKey()

    def untouched(request: bytes) -> bytes:
        return fido.answer(request) if request[:1] == b"\x0b" else string(b"\x05")

    with fake_agent(untouched) as path:
        agent = SshAgent(path)
        with pytest.raises(AgentRefused) as caught:
            sshsig.sign(agent, agent.choose(), NAMESPACE, b"m")
        assert "Touch" in caught.value.hint


def _askpass(folder: Path) -> Path:
    program = folder / "askpass"
    program.write_text("#!/bin/sh\necho word\n")
    program.chmod(0o700)
    return program
