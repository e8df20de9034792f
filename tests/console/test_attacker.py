"""What a responder tries who wants to act alone on production; each attempt is refused.

Everything is done with the installed command, as the attacker would. ``pytest -s`` prints
what was tried, what the console said, and what the journal says of it afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_folder import HostileFolder
from planned import planned
from signing_people import Key, allow

from backends import registry
from backends.contract import Verb
from backends.estate import World, create
from backends.model import Token, TokenState
from console import __version__, settings

COMMAND = str(Path(sys.executable).with_name("token-console"))
REASON = "INC-7 the attacker wants it gone"
ALICE, BOB = "alice@example.com", "bob@example.com"
OFF = ("[response]", "second_person_production = false")


class Attacker:
    """Alice, who has two listed keys and can make more, and wants no second person."""

    def __init__(self, tmp: Path) -> None:
        self.tmp = tmp
        self.home = tmp / "home"
        self.estate = tmp / "estate.db"
        create(self.estate, seed=5, tokens=60)
        self.alice, self.also_alice, self.bob, self.fresh = Key(), Key(), Key(), Key()
        self.signers = tmp / "signers"
        allow(
            self.signers, (ALICE, self.alice), (ALICE, self.also_alice), (BOB, self.bob)
        )  # fmt: skip
        self.home.mkdir()
        self.configure()
        self.does("sync")
        self.tokens = iter(self._tokens())

    def configure(self, *more: str, listed: bool = True) -> None:
        lines = ["[backend.vault]", 'type = "estate"', f'path = "{self.estate}"']
        lines += ['system = "vault"', "act_allowed = true", "production = true", "[journal]"]
        lines += [f'allowed_signers = "{self.signers}"'] if listed else []
        (self.home / "config.toml").write_text("\n".join([*lines, *more]) + "\n")

    def _tokens(self) -> list[str]:
        """Handles of tokens at which nothing but the second person stands in the way."""
        loaded = settings.load(self.home / "config.toml")

        async def ask() -> list[str]:
            async with registry.configure("vault", loaded.backends[0].table, act=True) as vault:
                found = []
                async for token in vault.inventory():
                    if isinstance(token, Token) and token.state is TokenState.ACTIVE:
                        plan = await planned(vault, Verb.REVOKE, token, REASON)
                        if not plan.only.proposal.hazards:
                            found.append(token.ref.handle)
                return found

        return asyncio.run(ask())

    def does(
        self, *words: str, key: Key | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command, with a key in the agent or without an agent."""
        clean = {name: text for name, text in os.environ.items() if "SSH" not in name}
        with contextlib.ExitStack() as held:
            if key is not None:
                with pytest.MonkeyPatch.context() as patch:
                    clean["SSH_AUTH_SOCK"] = held.enter_context(key.at_hand(patch))
                    return self._run(words, clean | environ)
            return self._run(words, clean | environ)

    def _run(self, words: tuple[str, ...], environ: dict[str, str]):
        done = subprocess.run(
            [COMMAND, "--home", str(self.home), *words],
            capture_output=True, text=True, env=environ, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def plans(self, key: Key | None = None) -> tuple[str, str]:
        """Plan to revoke a token; the plan's id and the word to type."""
        handle = next(self.tokens)
        words = ("plan", "revoke", "--token", handle, "--reason", REASON, "--json")
        done = self.does(*words, key=key)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        return str(told["id"]), str(told["typed_word"])

    def approves(self, plan: tuple[str, str], key: Key | None = None, **environ: str):
        return self.does(
            "approve", plan[0], "--confirm", plan[1], "--reason", REASON, key=key, **environ
        )

    def starts(self, plan: tuple[str, str], key: Key | None = None, **environ: str):
        return self.does("run", "start", plan[0], "--no-watch", key=key, **environ)

    def journal(self) -> list[str]:
        """What the journal says, oldest first."""
        done = self.does("journal", "list", "--limit", "1000")
        return done.stdout.splitlines()

    def entries(self) -> list[dict[str, object]]:
        """The journal's entries as they are, oldest first."""
        done = self.does("journal", "list", "--json", "--limit", "1000")
        found = [json.loads(line) for line in done.stdout.splitlines()]
        return sorted(found, key=lambda entry: entry["seq"])

    @property
    def dead(self) -> int:
        """How many tokens the attacker got rid of."""
        told = self.does("journal", "list", "--json", "--limit", "1000").stdout
        return told.count('"type":"intent"')


@pytest.fixture(scope="module")
def attacker(tmp_path_factory: pytest.TempPathFactory) -> Attacker:
    return Attacker(tmp_path_factory.mktemp("attacker"))


def refused(attempt: str, done: subprocess.CompletedProcess[str], *why: str) -> None:
    """The attempt ended in a refusal that says why."""
    print(f"\n== {attempt}\n   exit {done.returncode}: {done.stderr.strip()}")
    assert done.returncode not in (0, 3), done.stdout
    for words in why:
        assert words in done.stderr, done.stderr


def says(attacker: Attacker, *words: str) -> None:
    """The journal's newest entries tell of the attempt."""
    told = attacker.journal()
    print("   journal:", *told[:8], sep="\n     ")
    for each in words:
        assert any(each in line for line in told), (each, told)


def test_34_a_folder_of_modules_runs_nothing(attacker: Attacker) -> None:
    """The attempt leaves no entry of its own: for the console there was none, since it never
    looks there. What stands in the journal was all written by the installed program."""
    hostile = HostileFolder(attacker.tmp / "hostile")
    before = len(attacker.entries())
    here = os.getcwd()
    os.chdir(hostile.folder)
    try:
        plan = attacker.plans()
        done = attacker.does("approve", plan[0], "--confirm", "no", **hostile.environ)
        approved = attacker.approves(plan, attacker.alice, **hostile.environ)
        started = attacker.starts(plan, attacker.alice, **hostile.environ)
    finally:
        os.chdir(here)
    refused("34: console.py and sitecustomize.py where the command is started", done, "typed")
    assert approved.returncode == 0, approved.stderr
    refused("34: the run is started there", started, "second person")
    assert hostile.executed == []
    assert attacker.dead == 0
    written = attacker.entries()[before:]
    assert {"plan", "session.open"} <= {entry["type"] for entry in written}, "it is ours that ran"
    hosts = [entry["host"] for entry in written if "host" in entry]
    assert hosts, "every session names its program"
    for each in hosts:
        assert each["console"] == __version__
        assert each["python"] == platform.python_version()
    told = json.dumps(written)
    assert str(hostile.folder) not in told
    assert "hostile" not in told
    says(attacker, REASON)


def test_35_two_files_that_name_two_keys_are_one_person(attacker: Attacker) -> None:
    plan, files = attacker.plans(), []
    for name, key in (("mine", attacker.fresh), ("bobs", attacker.bob)):
        files.append(attacker.tmp / name)
        files[-1].write_text(f"publickey {key.line}\n")
        files[-1].chmod(0o600)
    first = attacker.approves(plan, SSH_USER_AUTH=str(files[0]))
    assert first.returncode == 0, first.stderr
    done = attacker.approves(plan, SSH_USER_AUTH=str(files[1]))
    refused("35: SSH_USER_AUTH names Bob's key", done, "second person", "not signed")
    refused("35: the run is started", attacker.starts(plan), "second person")
    says(
        attacker,
        "claimed: login by publickey SHA256:",
        "Refused a second person's approval: a second person has to approve: the first",
    )
    assert not any("sshd:" in line for line in attacker.journal())
    assert attacker.dead == 0


def test_36_two_keys_of_one_name_are_one_person(attacker: Attacker) -> None:
    plan = attacker.plans()
    assert attacker.approves(plan, attacker.alice).returncode == 0
    done = attacker.approves(plan, attacker.also_alice)
    refused("36: Alice's other key", done, f"both keys are {ALICE}'s", attacker.also_alice.fp)
    refused("36: the run is started", attacker.starts(plan, attacker.alice), "second person")
    says(attacker, f"{ALICE} (", f"both keys are {ALICE}'s")
    assert attacker.dead == 0


def test_36_a_fresh_key_without_a_list_is_nobody(attacker: Attacker) -> None:
    attacker.configure(listed=False)
    try:
        plan = attacker.plans()
        assert attacker.approves(plan, attacker.alice).returncode == 0
        done = attacker.approves(plan, attacker.fresh)
        refused("36: no list, and a fresh key", done, "there is no list of allowed signers")
        started = attacker.starts(plan, attacker.alice)
        refused("36: the run is started", started, "only break-glass lets it go")
    finally:
        attacker.configure()
    says(attacker, "no list of allowed signers", "acts under the configuration")
    assert attacker.dead == 0


def test_36_a_rule_that_was_off_for_a_while_counts_at_the_start(attacker: Attacker) -> None:
    attacker.configure(*OFF)
    plan = attacker.plans()
    assert attacker.approves(plan, attacker.alice).returncode == 0
    attacker.configure()
    done = attacker.starts(plan, attacker.alice)
    refused("36: second_person_production was off for the approval", done, "vault is production")
    says(attacker, "needs NONE")
    told = [line for line in attacker.journal() if "acts under the configuration" in line]
    assert "needs NONE" in told[-1] or "needs NONE" in told[0]
    assert attacker.dead == 0


def test_36_production_cut_out_of_the_plans_file_is_seen(attacker: Attacker) -> None:
    plan = attacker.plans()
    file = attacker.home / "state" / "plans" / f"{plan[0]}.json"
    whole = file.read_text()
    file.write_text(whole.replace('"production":true,', "").replace(',"production":true', ""))
    assert file.read_text() != whole
    done = attacker.approves(plan, attacker.alice)
    refused('36: "production": true cut out of the file', done, "not the one that was made")
    file.write_text(whole)
    assert attacker.approves(plan, attacker.alice).returncode == 0
    file.write_text(whole.replace('"production":true,', ""))
    done = attacker.approves(plan, attacker.bob)
    refused("36: the same after the approval", done, "not the one that was made")
    refused("36: the run is started", attacker.starts(plan, attacker.alice), "not the one")
    says(attacker, "Refused an approval: the plan's file is not the one that was made")
    assert attacker.dead == 0


def test_37_a_key_that_is_not_listed_is_refused_at_once(attacker: Attacker) -> None:
    plan = attacker.plans()
    done = attacker.approves(plan, attacker.fresh)
    refused("37: a key that is not in the list", done, "may not sign here", attacker.fresh.fp)
    says(attacker, "Refused an approval: the ssh-agent's key may not sign here")
    assert attacker.dead == 0


def test_what_two_people_sign_goes_and_names_them_and_the_journal_is_whole(
    attacker: Attacker,
) -> None:
    """Else the refusals above could be those of a console that refuses everything."""
    plan = attacker.plans()
    assert attacker.approves(plan, attacker.alice).returncode == 0
    assert attacker.approves(plan, attacker.bob).returncode == 0
    done = attacker.does("run", "start", plan[0], key=attacker.alice)
    assert done.returncode in (0, 3), done.stderr
    assert attacker.dead == 1
    report = attacker.does("run", "report", plan[0]).stdout
    print("\n== two people", report, sep="\n")
    assert f"approved by {ALICE} (" in report
    assert f"second person: {BOB} (" in report
    told = json.loads(attacker.does("run", "report", plan[0], "--json").stdout)
    assert told["approved_by"].startswith(f"{ALICE} (")
    assert told["second_person"].startswith(f"{BOB} (")
    intents = [line for line in attacker.does("journal", "list", "--json").stdout.splitlines()
               if '"type":"intent"' in line]  # fmt: skip
    assert json.loads(intents[0])["sig"]["principal"] == ALICE
    with World(attacker.estate) as world:
        ref = json.loads(intents[0])["act"]["target"]["id"]
        assert not world.accepts(world.secret("vault", ref))
    # The one thing that is wrong is what was done while there was no list.
    verified = attacker.does("journal", "verify").stdout
    print(verified)
    (wrong,) = [line.strip() for line in verified.splitlines() if line.strip().startswith("!")]
    assert wrong.startswith("! signer: entry ")
    assert attacker.fresh.fp in wrong
