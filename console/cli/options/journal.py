"""The commands under ``journal`` and their options. Every one teaches with an example."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

Command = Callable[[str, str, str, str], argparse.ArgumentParser]
"""Makes a command from its name, its help, an example and the function that runs it."""

CODES = """\
exit codes:
  0 verified          every entry, the tree and the signatures are in order
  1 tampered          a hash, a signature or the order of something is wrong
  2 could not look    wrong command, or a file that cannot be read
  3 incomplete        all genuine; something is open, unsigned or not witnessed
  4 rolled back       it does not continue what was seen elsewhere: cut, or another history
  5 untrusted key     whole in itself, but signed by a key that is not among those given
"""


def add(command: Command, number: Callable[[str], int]) -> None:
    """Add the commands."""
    _reading(command, number)
    _checking(command)
    _giving(command)
    witness = command(
        "witness",
        "cosign another console's checkpoints, so that it cannot rewrite its journal unseen",
        "token-console journal witness --listen 127.0.0.1:7380 --log 'bastion-1/...+1a2b+AQ...'",
        "journal.witness:run",
    )
    witness.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    witness.add_argument(
        "--log", action="append", required=True, metavar="VKEY", help="a journal's key, or a file"
    )
    witness.add_argument("--dir", type=Path, help="where its key and its memory are")
    witness.add_argument("--name", help="what it signs as (default: this machine's name)")
    _json(witness)


def _reading(command: Command, number: Callable[[str], int]) -> None:
    list_ = command(
        "list",
        "list the entries, newest first; with --open, exit 3 where a call has no outcome",
        "token-console journal list --kind intent --limit 20",
        "journal.list:list_",
    )
    list_.add_argument("--open", action="store_true", help="only calls without an outcome")
    list_.add_argument("--limit", type=number, default=50)
    list_.add_argument("--before", type=number, metavar="N", help="only entries below number N")
    list_.add_argument("--kind", help="only of this kind, such as plan, intent, outcome")
    list_.add_argument("--handle", help="only about this token: handle, BACKEND/NAME, id or name")
    list_.add_argument(
        "--incident",
        metavar="INCIDENT",
        help="only of this one; . is the one worked on",
    )
    _file(list_)
    _json(list_, "the entries as they are stored, byte for byte")

    show = command(
        "show",
        "tell one entry as a sentence, as fields and as its bytes",
        "token-console journal show 42",
        "journal.list:show",
    )
    show.add_argument("id", metavar="ID", help="an entry's id or number")
    show.add_argument("--raw", action="store_true", help="the bytes and nothing else")
    _file(show)
    _json(show)

    find = command(
        "find-secret",
        "find what was done about a secret; it comes on standard input and is kept nowhere",
        "pbpaste | token-console journal find-secret",
        "journal.list:find_secret",
    )
    _json(find)


def _checking(command: Command) -> None:
    verify = command(
        "verify",
        "check chain, tree, signatures, and what others have seen of the journal",
        "token-console journal verify --pin /mnt/usb/journal.pin",
        "journal.verify:verify",
    )
    verify.epilog = f"{verify.epilog}\n{CODES}"
    verify.add_argument("--policy", type=Path, metavar="FILE", help="a C2SP tlog-policy")
    verify.add_argument(
        "--vkey", action="append", default=[], metavar="KEY", help="the log's key, or a file"
    )
    verify.add_argument(
        "--pin", action="append", default=[], type=Path, metavar="FILE",
        help="a checkpoint that was kept elsewhere",
    )  # fmt: skip
    verify.add_argument(
        "--allowed-signers", type=Path, metavar="FILE", help="OpenSSH's file of who may sign"
    )
    verify.add_argument(
        "--require-signed", action="store_true", help="unsigned plans and calls give exit code 3"
    )
    verify.add_argument(
        "--skip-checked",
        action="store_true",
        help="leave out the checkpoints' signatures that were checked here before, and say so",
    )
    _file(verify)
    _json(verify, "one finding a line, and the result last")

    rebuild = command(
        "rebuild",
        "make tree, checkpoints, indexes and triggers anew where they were damaged or changed",
        "token-console journal rebuild --reason 'the disk lost a block' --pin /mnt/usb/journal.pin",
        "journal.rebuild:rebuild",
    )
    rebuild.add_argument("--reason", required=True, help="why; it goes into the journal")
    rebuild.add_argument(
        "--pin", action="append", default=[], type=Path, metavar="FILE",
        help="a checkpoint that was kept elsewhere, where the newest one here is lost",
    )  # fmt: skip
    _json(rebuild)

    doctor = command(
        "doctor",
        "look over what the journal rests on: database, key, disk, lock, session; exit 1 if bad",
        "token-console journal doctor",
        "journal.doctor:doctor",
    )
    _json(doctor)

    recover = command(
        "recover",
        "ask the systems what became of calls that a crash left open; sends nothing else",
        "token-console journal recover",
        "journal.recover:recover",
    )
    _json(recover)

    acknowledge = command(
        "acknowledge",
        "settle an open call that no system can tell about any more, on the record",
        "token-console journal acknowledge 42 --not-applied --reason 'asked the vendor: no call'",
        "journal.acknowledge:acknowledge",
    )
    acknowledge.add_argument("id", metavar="ENTRY", help="the open call's id or number")
    acknowledge.add_argument("--reason", required=True, help="how that was found out")
    found = acknowledge.add_mutually_exclusive_group()
    for option, value, told in (
        ("--applied", "applied", "it was done"),
        ("--not-applied", "not_applied", "it was not done"),
        ("--unknown-forever", "unknown", "nobody will ever know (the default)"),
    ):
        found.add_argument(option, dest="found", action="store_const", const=value, help=told)
    acknowledge.set_defaults(found="unknown")
    _json(acknowledge)


def _giving(command: Command) -> None:
    init = command(
        "init-postgres",
        "make a team's journal in a UTF-8 database; the administrator's connection string comes"
        " on standard input",
        "pass show pg-admin | token-console journal init-postgres journal_writer",
        "journal.init_postgres:init_postgres",
    )
    init.add_argument("role", metavar="ROLE", help="which may append; it must exist")
    _json(init)

    prove = command(
        "prove",
        "write a proof that an entry is in the journal, and the entry beside it",
        "token-console journal prove 42 -o revoked.tlog-proof",
        "journal.prove:prove",
    )
    prove.add_argument("id", metavar="ID", help="an entry's id or number")
    prove.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: ID.tlog-proof")
    prove.add_argument("--policy", type=Path, metavar="FILE", help="whose witnesses must be in it")
    _file(prove)
    _json(prove)

    pin = command(
        "pin",
        "write the newest signed checkpoint into a file, to be kept where nobody here can write",
        "token-console journal pin /mnt/usb/journal.pin",
        "journal.pin:pin",
    )
    pin.add_argument("file", type=Path, metavar="FILE")
    _json(pin)

    export = command(
        "export",
        "write the journal as a directory that other people's programs check",
        "token-console journal export ~/journal-2026-03 --reason 'quarterly audit'",
        "journal.export:export",
    )
    export.add_argument("directory", type=Path, metavar="DIR", help="must not be there yet")
    export.add_argument("--reason", default="an export for somebody else to check")
    export.add_argument("--policy", type=Path, metavar="FILE", help="put this policy into it")
    _json(export)

    key = command(
        "key",
        "show the journal's public key and its fingerprint, or replace the key",
        "token-console journal key rotate --reason 'the old key was on a lost backup'",
        "journal.key:key",
    )
    key.add_argument("what", nargs="?", choices=["show", "rotate"], default="show")
    key.add_argument("--reason", default="", help="why; needed to rotate")
    _json(key)


def _file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--file",
        dest="copy",
        type=Path,
        metavar="FILE",
        help="a copy of a journal instead of this console's",
    )


def _json(parser: argparse.ArgumentParser, help_: str = "for programs") -> None:
    parser.add_argument("--json", action="store_true", help=help_)
