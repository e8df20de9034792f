"""``journal witness``: cosign the checkpoints of other consoles."""

from __future__ import annotations

import argparse
import json
import re
import socket
import sys

from console.cli.journal.access import vkey_of
from console.cli.shell import output
from console.errors import Exit, UsageError
from console.journal.keys import verifier
from console.settings import paths
from console.tlog.policy import Log, Policy
from console.tlog.witness import WitnessServer, open_witness


def run(chosen: argparse.Namespace) -> int:
    """Serve until it is interrupted. Each of its promises is on the disk before it answers."""
    host, port = _address(chosen.listen)
    logs = tuple(Log(verifier(vkey_of(given)), "") for given in chosen.log)
    directory = chosen.dir or paths(chosen.home).state / "witness"
    witness = open_witness(directory, chosen.name or _name(), Policy(logs=logs))
    try:
        server = WitnessServer(witness, host, port, on_trouble=output.error)
    except OSError as error:
        raise UsageError(f"cannot listen on {chosen.listen}: {error.strerror}") from None
    if chosen.json:
        told = {"url": server.url, "vkey": witness.cosigner.vkey, "logs": sorted(witness.logs)}
        print(json.dumps(told))
    else:
        output.line(f"vkey  {witness.cosigner.vkey}")
        output.line(f"url   {server.url}")
        for origin in sorted(witness.logs):
            output.line(f"log   {origin}")
        output.note("In the other console's [journal]:")
        output.note(f'  witnesses = ["{server.url} {witness.cosigner.vkey}"]')
    sys.stdout.flush()
    try:
        server.serve()
    except KeyboardInterrupt:
        output.note("the witness has ended; its memory stays")
    finally:
        server.close()
    return Exit.OK


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{text} is not an address", "--listen 127.0.0.1:7380")
    return host.strip("[]"), int(port)


def _name() -> str:
    name = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()) or "localhost"
    return f"{name}/witness"
