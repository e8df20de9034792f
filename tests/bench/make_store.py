"""Makes a store with any number of invented tokens, for the benches.

    python tests/bench/make_store.py PATH 100000

The rows go through the same functions as those of a real sync; only the indexes are built
afterwards, in one go, and there is no history. The same arguments make the same store.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backends.model import (
    Grant,
    Principal,
    Reading,
    Token,
    TokenRef,
    TokenState,
    known,
    never,
    not_permitted,
    not_read,
    not_tracked,
)
from console.inventory.sync.validate import columns, shape
from console.store.database import open_for_writing

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
BATCH = 5_000
BACKENDS = (
    ("vault-prod", "openbao", "service"),
    ("aws-main", "aws_iam", "access key"),
    ("pg-ledger", "postgres", "login role"),
    ("gitlab", "gitlab", "project token"),
    ("github", "github", "fine-grained token"),
    ("vault-lab", "openbao", "service"),
    ("aws-dev", "aws_iam", "access key"),
    ("k8s-eu", "kubernetes", "service account"),
)
WEIGHTS = (30, 25, 10, 10, 10, 5, 5, 5)
TEAMS = [
    "payments",
    "ledger",
    "checkout",
    "search",
    "identity",
    "data-platform",
    "mobile",
    "web",
    "growth",
    "risk",
    "fraud",
    "core",
    "sre",
    "network",
    "storage",
    "billing",
    "support",
    "legal",
    "marketing",
    "analytics",
]
JOBS = [
    "deploy",
    "backup",
    "report",
    "sync",
    "webhook",
    "import",
    "export",
    "migrate",
    "monitor",
    "metrics",
    "scan",
    "build",
    "release",
    "cron",
    "etl",
    "proxy",
    "cache",
    "index",
    "mailer",
    "archive",
]
PARTS = [
    "ci",
    "app",
    "svc",
    "job",
    "bot",
    "tmp",
    "dev",
    "stage",
    "prod",
    "legacy",
    "edge",
    "batch",
    "stream",
    "admin",
    "ops",
]
GRANTS = [
    "read",
    "write",
    "admin",
    "deploy",
    "npm-publish",
    "secrets-read",
    "kv-read",
    "kv-write",
    "pki-issue",
    "db-owner",
    "s3-full",
    "s3-read",
    "ec2-describe",
    "billing-view",
    "audit-read",
    "root",
    "token-create",
    "repo",
    "packages",
    "ci-write",
]


def tokens(count: int, seed: int = 1) -> Iterator[Token]:
    """Invented tokens, the same ones for the same arguments."""
    dice = random.Random(seed)
    for number in range(count):
        backend, _, kind = dice.choices(BACKENDS, WEIGHTS)[0]
        yield _token(dice, number, backend, kind)


def _token(dice: random.Random, number: int, backend: str, kind: str) -> Token:
    team = TEAMS[min(int(dice.expovariate(0.25)), len(TEAMS) - 1)]
    part, job = dice.choice(PARTS), dice.choice(JOBS)
    mark = f"{dice.getrandbits(40):010x}"
    id_ = f"AKIA{mark.upper()}{number:06X}" if kind == "access key" else f"{mark}{number:x}"
    created = NOW - timedelta(seconds=int(dice.paretovariate(0.5) * 86_400) % (6 * 365 * 86_400))
    chance = dice.random()
    used: Reading[datetime]
    if chance < 0.6:
        ago = min(dice.expovariate(1 / (20 * 86_400)), (NOW - created).total_seconds())
        used = known(NOW - timedelta(seconds=int(ago)), "audit log")
    elif chance < 0.75:
        used = never("audit log")
    else:
        used = dice.choice((not_tracked, not_permitted, not_read))("no source")
    owner: Reading[str] = never("no owner tag") if dice.random() < 0.12 else known(team, "tag")
    if dice.random() < 0.05:
        owner = not_permitted("iam:ListUserTags")
    expires: Reading[datetime] = never()
    if dice.random() < 0.5:
        expires = known(NOW + timedelta(days=dice.randrange(1, 400)), "record")
    states = (TokenState.ACTIVE, TokenState.DISABLED, TokenState.EXPIRED)
    granted = tuple(Grant("policy", name) for name in dice.sample(GRANTS, dice.randrange(1, 5)))
    return Token(
        ref=TokenRef(backend, kind, id_),
        name=f"{part}-{job}-{team}-{number % 9973}",
        scope=f"{team}-{number % 7}",
        state=dice.choices(states, (92, 5, 3))[0],
        principal=known(Principal(f"u{number % 4099}", f"{team}-{job}-bot"), "record"),
        owner=owner,
        created_at=known(created, "record"),
        created_by=known("terraform", "audit log"),
        last_used_at=used,
        last_used_from=known(f"10.{number % 250}.0.{number % 199}", "audit log"),
        expires_at=expires,
        grants=known(granted, "record"),
        facts=(("orphan", "true"), ("ttl", str(number % 86_400))),
    )


def make(path: Path, count: int, seed: int = 1) -> None:
    """Make the store. There must be no file at ``path`` yet."""
    open_for_writing(path).dispose()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'token' AND type = 'index'"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        batch: list[Token] = []
        number = 0
        for token in tokens(count, seed):
            batch.append(token)
            if len(batch) == BATCH:
                number = _insert(connection, batch, number)
                batch = []
        _insert(connection, batch, number)
        for name, type_, _ in BACKENDS:
            _backend(connection, name, type_)
        for _, made in indexes:
            connection.execute(made)
        connection.execute("INSERT INTO token_fts (token_fts) VALUES ('rebuild')")
        connection.execute("ANALYZE")
        connection.execute("UPDATE mark SET value = value + 1 WHERE name = 'generation'")
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _insert(connection: sqlite3.Connection, batch: list[Token], number: int) -> int:
    seen = int(NOW.timestamp())
    rows = []
    documents = []
    for token in batch:
        shaped = shape(token, token.ref.backend)
        number += 1
        rows.append(
            {
                "num": number,
                "handle": shaped.handle,
                "backend": token.ref.backend,
                "kind": token.ref.kind,
                "ref": token.ref.id,
                **columns(token),
                "first_seen": seen,
                "appeared_at": None,
                "last_seen": None,
                "read_at": None,
                "gone_at": None,
                "changed_at": seen,
                "change": "",
                "digest": shaped.digest,
            }
        )
        documents.append({"num": number, "doc": shaped.doc, "kept": None})
    if rows:
        for table, values in (("token", rows), ("document", documents)):
            places = ", ".join(f":{name}" for name in values[0])
            statement = f"INSERT INTO {table} ({', '.join(values[0])}) VALUES ({places})"
            connection.executemany(statement, values)
    return number


def _backend(connection: sqlite3.Connection, name: str, type_: str) -> None:
    seen = int(NOW.timestamp())
    connection.execute(
        "INSERT INTO backend (name, type, result, error, hint, tried_at, synced_at, tokens, gone)"
        " VALUES (?, ?, 'ok', '', '', ?, ?, (SELECT count(*) FROM token WHERE backend = ?), 0)",
        (name, type_, seen, seen, name),
    )


if __name__ == "__main__":
    started = time.perf_counter()
    make(Path(sys.argv[1]), int(sys.argv[2]))
    size = Path(sys.argv[1]).stat().st_size / 1e6
    print(f"{sys.argv[2]} tokens in {time.perf_counter() - started:.1f} s, {size:.0f} MB")
