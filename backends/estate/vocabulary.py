"""The words that an estate is made of: teams, people, services, hosts, grants, addresses.

All invented. Addresses are private, or from the blocks that RFC 5737 keeps for
documentation.
"""

from __future__ import annotations

from typing import Final

MASK: Final = (1 << 64) - 1


def mix(*numbers: int) -> int:
    """Sixty-four well-stirred bits from whole numbers (SplitMix64's finaliser).

    The estate's life is a function of the seed and the clock, so that it needs a hash and
    not a generator with a state; this one is quick, and nothing secret comes from it.
    """
    state = 0x9E3779B97F4A7C15
    for number in numbers:
        state = stir(state, number)
    return state


def stir(state: int, number: int) -> int:
    """One more number mixed into what others gave: ``stir(mix(a, b), c)`` is ``mix(a, b, c)``."""
    state = (state + (number & MASK) * 0xBF58476D1CE4E5B9 + 0x9E3779B97F4A7C15) & MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)


def share(*numbers: int) -> float:
    """The same as a fraction from 0 to just below 1."""
    return fraction(mix(*numbers))


def fraction(state: int) -> float:
    """What was mixed, as a fraction from 0 to just below 1."""
    return (state >> 11) / (1 << 53)


TEAMS: Final = (
    "payments", "platform", "data", "identity", "growth", "support", "mobile", "search",
    "security", "logistics", "pricing", "fraud", "ledger", "partner", "sre", "web",
)  # fmt: skip

PEOPLE: Final = (
    "amara.okafor", "jonas.lind", "mei.tanaka", "priya.raman", "tomas.havel", "lucia.ferri",
    "omar.haddad", "nadia.petrov", "ben.whitlock", "sofia.duarte", "kofi.mensah", "ines.moreau",
    "lars.berg", "yuki.mori", "anya.kovacs", "david.stone", "rosa.vidal", "piotr.nowak",
    "hana.cho", "marc.leroy", "ella.finch", "samir.aziz", "greta.holm", "ivo.marin",
)  # fmt: skip

LEAVERS: Final = ("carl.voss", "dana.wick", "felix.brandt", "ruth.adler", "gil.santos")
"""People who left; what they made is still there."""

SERVICES: Final = (
    "billing", "checkout", "ledger", "invoice", "refund", "payout", "search", "catalog",
    "inventory", "shipping", "mailer", "notify", "auth", "session", "profile", "report",
    "metrics", "export", "import", "webhook", "gateway", "scoring", "risk", "pricing",
    "feed", "crawler", "archive", "backup", "audit", "media", "geo", "stock",
)  # fmt: skip

PURPOSES: Final = (
    "rw", "ro", "job", "sync", "deploy", "worker", "api", "cron", "migrate", "reader",
    "writer", "bot", "agent", "admin", "test", "canary",
)  # fmt: skip

SUFFIXES: Final = ("", "", "", "", "", "", "-old", "-2", "-eu", "-us", "-tmp", "-v2")

FAVOURITES: Final = ("ci-deploy", "billing-rw", "report-job", "legacy-sync", "webhook-2")
"""The first tokens of every system; the documentation and the drills use these."""

NEWCOMER: Final = "analytics-export"
"""The first token of a list by name: a cloud's key, which can be contained and restored, so
that what a newcomer tries first does something."""

HOSTILE: Final = (
    "webhook-\x1b]0;owned\x07\x1b[2Jcleared-\x1b[31mred",
    "report-[bold red]markup[/] [link=https://example.invalid]here[/link]",
    "invoice-\u202etxt.evil\u202c-bot",
    "nul\x00and\nnewline\r\tand\x7f",
    "long-" + "A" * 10_000,
    "=HYPERLINK(0)+cmd|'/c calc'!A1",
    "z\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308algo",
)
"""Names that an attacker would choose. They stay exactly as they are in here."""

TRIPWIRE: Final = "IfYouRevokeThisTokenItWillWipeTheComputerOfTheOwner"
"""The name by which a worm of May 2026 threatened; a hazard gate has to know it."""

HOSTS: Final = ("runner", "bastion", "etl", "cron", "build", "edge", "batch")

AGENTS: Final = {
    "vault": ("vault-agent/1.17", "hvac/2.3", "terraform/1.9", "curl/8.9"),
    "cloud": ("boto3/1.42", "aws-cli/2.22", "terraform-provider/5.8", "sdk-go/2"),
    "database": ("psycopg 3", "pgjdbc", "pgbouncer", "dbt"),
    "codehost": ("git/2.47", "actions-runner/2.3", "renovate/39", "gh/2.6"),
}

ACTIONS: Final = {
    "vault": (("read", "secret/data/{}"), ("list", "secret/metadata/{}"), ("update", "transit/{}")),
    "cloud": (("s3:GetObject", "{}-data"), ("sqs:SendMessage", "{}-queue"), ("kms:Decrypt", "{}")),
    "database": (("SELECT", "{}.orders"), ("INSERT", "{}.events"), ("UPDATE", "{}.state")),
    "codehost": (("git.fetch", "acme/{}"), ("api.contents", "acme/{}"), ("git.push", "acme/{}")),
}

GRANTS: Final = {
    "vault": ("default", "ci-write", "npm-publish", "kv-read", "kv-write", "transit", "pki-issue",
              "db-creds", "admin"),
    "cloud": ("s3-read", "s3-write", "sqs-send", "kms-decrypt", "ec2-describe", "ReadOnlyAccess",
              "PowerUserAccess", "AdministratorAccess"),
    "database": ("pg_read_all_data", "ledger_rw", "ledger_ro", "report_ro", "etl_rw",
                 "pg_monitor", "superuser"),
    "codehost": ("contents:read", "contents:write", "packages:write", "actions:write",
                 "metadata:read", "admin:org"),
}  # fmt: skip
"""Each system's grants, from what everybody has to what only few should."""

GRANT_KIND: Final = {
    "vault": "policy", "cloud": "policy", "database": "role", "codehost": "scope",
}  # fmt: skip


def name(first: int, second: int, third: int) -> str:
    """A token's name from three numbers, such as ``billing-rw`` or ``feed-sync-old``."""
    return (
        f"{SERVICES[first % len(SERVICES)]}-{PURPOSES[second % len(PURPOSES)]}"
        f"{SUFFIXES[third % len(SUFFIXES)]}"
    )


def address(number: int) -> str:
    """A private address from a number."""
    return f"10.{20 + number % 6}.{number // 6 % 200}.{1 + number // 1200 % 250}"


def stranger(number: int) -> str:
    """An address from outside (RFC 5737), where dead secrets are tried from."""
    block = ("192.0.2", "198.51.100", "203.0.113")[number % 3]
    return f"{block}.{1 + number // 3 % 250}"
