"""How many secrets the scanner of reasons lets through, and how many reasons it refuses wrongly.

``pytest -p no:cacheprovider -n 0 -s tests/bench/bench_scan.py``. The corpus is made here, by a
fixed seed: what people write, with the identifiers that they write it about, and values as
systems draw them and people make them up. It prints the rates; nothing depends on them.
"""

from __future__ import annotations

import base64
import random
import string
import time
from collections.abc import Callable

import pytest

from console.journal.format.scan import withhold

pytestmark = pytest.mark.bench
MANY = 2000
BASE62 = string.ascii_letters + string.digits
BASE36 = string.ascii_lowercase + string.digits
TEXT = """payments deploy production vendor breach token rotate legacy billing webhook gateway
staging pipeline terraform backup reporting customer analytics service account runner cluster
audit support mobile frontend database replica search export nightly monitor alert partner"""
WORDS = TEXT.split()
SENTENCES = (
    "leaked in a public repository, see {id}",
    "vendor breach {ticket}: end everything of {name} before noon",
    "{name} is not used since {date}, owner agreed in {ticket}",
    "found in the paste at https://paste.example.com/{word}/{ticket}, key {id}",
    "quarterly review: no owner, created by {mail} on {date}",
    "the build of commit {commit} printed it into the log of {name}",
    "replaces {id}, whose laptop ({word}-{number}) was stolen",
    "escalated by {mail} in {ticket}; scope {arn}",
    "orphan of pod {pod} in {word}/{name}, last use {date}",
    "fingerprint {fp} was seen on {host} at {date}",
    "signed in from {ip} with {id} while {name} was on leave",
    "test of the drill on {host}, plan {uuid}",
)


def _hex(chance: random.Random, length: int) -> str:
    return "".join(chance.choice("0123456789abcdef") for _ in range(length))


def _of(chance: random.Random, alphabet: str, length: int) -> str:
    return "".join(chance.choice(alphabet) for _ in range(length))


def _uuid(chance: random.Random) -> str:
    return "-".join(_hex(chance, length) for length in (8, 4, 4, 4, 12))


def _name(chance: random.Random) -> str:
    words = chance.sample(WORDS, chance.randint(2, 4))
    made = chance.choice(["-".join, "_".join, lambda ws: "".join(w.title() for w in ws)])(words)
    return made + chance.choice(["", "", "-2", "-v3", "2026", "-eu-west-1", f"-{_hex(chance, 6)}"])


def harmless(chance: random.Random) -> str:
    """A reason as people write it."""
    aws = "AKIA" + _of(chance, string.ascii_uppercase + "234567", 16)
    fp = base64.b64encode(chance.randbytes(32)).decode().rstrip("=")
    commit, uuid, handle = _hex(chance, 40), _uuid(chance), _hex(chance, 12)
    pod = f"{chance.choice(WORDS)}-{_of(chance, 'bcdfghjklmnpqrstvwxz2456789', 10)}"
    words = {
        "id": chance.choice([aws, uuid, handle, f"i-{_hex(chance, 17)}", _name(chance)]),
        "ticket": f"{chance.choice(['SEC', 'INC', 'OPS'])}-{chance.randint(1, 99999)}",
        "name": _name(chance),
        "word": chance.choice(WORDS),
        "number": str(chance.randint(1, 10 ** chance.randint(1, 12))),
        "date": f"2026-{chance.randint(10, 12)}-{chance.randint(10, 28)}T03:10:00Z",
        "mail": f"{chance.choice(WORDS)}.{chance.choice(WORDS)}@example.com",
        "commit": chance.choice([commit, commit[:7], commit[:12]]),
        "arn": f"arn:aws:iam::{chance.randint(10**11, 10**12 - 1)}:user/{_name(chance)}",
        "pod": f"{pod}-{_of(chance, 'bcdfghjklmnpqrstvwxz2456789', 5)}",
        "fp": f"SHA256:{fp}",
        "host": f"{chance.choice(WORDS)}{chance.randint(1, 40)}.prod.example.com",
        "ip": ".".join(str(chance.randint(1, 254)) for _ in range(4)),
        "uuid": uuid,
    }
    return chance.choice(SENTENCES).format(**words)


def _checked(chance: random.Random) -> str:
    return "ghp_" + _of(chance, BASE62, 36)


def _password(chance: random.Random) -> str:
    """As people make them up where a rule asks for a digit and a sign."""
    word = chance.choice(WORDS).title()
    leet = word.translate(str.maketrans("aeiost", "@31057"))
    return chance.choice(
        [
            f"{leet}{chance.randint(1, 99)}",
            f"{word}{chance.choice('!#$%&')}{chance.randint(10, 9999)}",
            f"{word}{chance.randint(1, 999)}{chance.choice('!#$%&')}{chance.choice(WORDS)}",
            _of(chance, BASE62 + "!#$%^&", 12),
        ]
    )


def _cut(chance: random.Random) -> str:
    value = _of(chance, BASE62, 24)
    return " ".join(value[at : at + 6] for at in range(0, 24, 6))


SECRETS: dict[str, Callable[[random.Random], str]] = {
    "GitHub token": _checked,
    "Vault token": lambda chance: "hvs." + _of(chance, BASE62, 24),
    "32 of base62": lambda chance: _of(chance, BASE62, 32),
    "24 of base62": lambda chance: _of(chance, BASE62, 24),
    "20 of base62": lambda chance: _of(chance, BASE62, 20),
    "16 of base62": lambda chance: _of(chance, BASE62, 16),
    "12 of base62": lambda chance: _of(chance, BASE62, 12),
    "24 of base36": lambda chance: _of(chance, BASE36, 24),
    "16 of base36": lambda chance: _of(chance, BASE36, 16),
    "16 small letters": lambda chance: _of(chance, string.ascii_lowercase, 16),
    "16 of hex": lambda chance: _hex(chance, 16),
    "32 of hex": lambda chance: _hex(chance, 32),
    "64 of hex": lambda chance: _hex(chance, 64),
    "24 digits": lambda chance: _of(chance, string.digits, 24),
    "AWS secret": lambda chance: base64.b64encode(chance.randbytes(30)).decode(),
    "24 cut into 4": _cut,
    "made up": _password,
    "called a password": lambda chance: f"password={chance.choice(WORDS)}{chance.randint(1, 99)}",
    "said to be one": lambda chance: (
        f"the password is {chance.choice(WORDS)}{chance.randint(1, 99)}"
    ),
    "UUID as a secret": lambda chance: f"secret={_uuid(chance)}",
}


def test_rates() -> None:
    chance = random.Random(20261129)
    began = time.process_time()
    refused = [text for text in (harmless(chance) for _ in range(MANY)) if withhold(text) != text]
    took = (time.process_time() - began) / MANY * 1e6
    print(f"\nrefused wrongly   {len(refused) / MANY:6.2%} of {MANY} reasons, {took:.0f} µs each")
    for text in refused[:5]:
        print(f"    {withhold(text)}\n    {text}")
    for name, make in SECRETS.items():
        values = [make(chance) for _ in range(MANY)]
        missed = [value for value in values if "withheld" not in withhold(f"it is {value} there")]
        print(f"missed            {len(missed) / MANY:6.2%} {name}  {' '.join(missed[:3])}")
