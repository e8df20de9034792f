"""The journal in PostgreSQL, for a team: the same entries, tree and checkpoints.

An advisory lock orders the writers, ``synchronous_commit`` is on in every transaction and
read back, and the role that writes may insert and select, and nothing else. ``psycopg``
is loaded only when such a journal is opened.

Text crosses the wire as the UTF-8 bytes that it is, without a conversion, so that a journal
can be read and written in a database of any encoding; a new one is made in UTF-8 only.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from backends.model import Secret
from console.errors import JournalError
from console.journal.format.entry import Body, parse
from console.journal.store.base import AlreadyRecorded, Full, Odd, StoreFailed, raw
from console.text import safe

if TYPE_CHECKING:
    import psycopg

SCHEMA = "token_console_journal"
VERSION = 2
ENCODING = "UTF8"
LOCK = 0x544B4A4C
"""The advisory lock's number ("TKJL")."""
LOCK_PATIENCE = 30
"""Seconds that a writer waits for the others before it gives up."""
_COLUMNS = ("id", "kind", "prev", "handle", "plan", "state", "fp", "ref", "step")

_TRIGGER = "entry_append_only"
_REFUSE = " BEGIN RAISE EXCEPTION 'the journal is append-only'; END "
_GUARD = f"""
CREATE OR REPLACE FUNCTION {SCHEMA}.refuse() RETURNS trigger LANGUAGE plpgsql AS $${_REFUSE}$$;
CREATE TRIGGER {_TRIGGER} BEFORE UPDATE OR DELETE OR TRUNCATE ON {SCHEMA}.entry
  FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.refuse();
"""
_UNIQUES = {
    "entry_once": f"CREATE UNIQUE INDEX entry_once ON {SCHEMA}.entry (ref, kind, step)"
    " WHERE kind IN ('outcome', 'recovery', 'recovery.claim')",
    "entry_id_key": f"ALTER TABLE {SCHEMA}.entry ADD CONSTRAINT entry_id_key UNIQUE (id)",
    "entry_prev_key": f"ALTER TABLE {SCHEMA}.entry ADD CONSTRAINT entry_prev_key UNIQUE (prev)",
}
_ONCE = frozenset(_UNIQUES)
_OURS = "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ?"
_TRIGGERS = (
    "SELECT c.relname::text, t.tgname::text, t.tgenabled::text, pg_get_triggerdef(t.oid)"  # noqa: S608
    f" FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid {_OURS} AND NOT t.tgisinternal"
    " ORDER BY 1, 2"
)
_RULES = (
    "SELECT c.relname::text, r.rulename::text FROM pg_rewrite r"  # noqa: S608
    f" JOIN pg_class c ON c.oid = r.ev_class {_OURS} AND c.relkind = 'r' ORDER BY 1, 2"
)
_HIDDEN = f"SELECT c.relname::text FROM pg_class c {_OURS} AND c.relrowsecurity ORDER BY 1"  # noqa: S608
_UNIQUE = (
    "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"  # noqa: S608
    f" {_OURS} AND i.indisunique AND i.indisvalid"
)
_REFUSAL = (
    "SELECT p.prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
    " WHERE n.nspname = ? AND p.proname = 'refuse' AND p.pronargs = 0"
)

_TABLES = f"""
CREATE SCHEMA {SCHEMA};
CREATE TABLE {SCHEMA}.version (version int NOT NULL);
INSERT INTO {SCHEMA}.version VALUES ({VERSION});
CREATE TABLE {SCHEMA}.entry (
  seq bigint PRIMARY KEY CHECK (seq > 0), leaf bytea NOT NULL,
  id text NOT NULL UNIQUE, kind text NOT NULL, prev text NOT NULL UNIQUE,
  handle text, plan text, state text, fp text, ref text, step text NOT NULL
);
CREATE UNIQUE INDEX entry_once ON {SCHEMA}.entry (ref, kind, step)
  WHERE kind IN ('outcome', 'recovery', 'recovery.claim');
CREATE INDEX entry_ref ON {SCHEMA}.entry (ref, kind, state);
CREATE INDEX entry_kind ON {SCHEMA}.entry (kind, id);
CREATE INDEX entry_plan ON {SCHEMA}.entry (plan, seq);
CREATE INDEX entry_handle ON {SCHEMA}.entry (handle);
CREATE INDEX entry_fp ON {SCHEMA}.entry (fp) WHERE fp IS NOT NULL;
CREATE TABLE {SCHEMA}.node (
  level int, idx bigint, hash bytea NOT NULL, PRIMARY KEY (level, idx));
CREATE TABLE {SCHEMA}.checkpoint (
  size bigint PRIMARY KEY CHECK (size > 0), note bytea NOT NULL);
CREATE TABLE {SCHEMA}.cosigned (
  size bigint, note bytea NOT NULL, PRIMARY KEY (size, note));
{_GUARD}"""  # noqa: S608 - built from constants only.
"""The columns beside ``leaf`` are for finding; verification compares them with the leaf."""


def columns(body: Body) -> tuple[str | None, ...]:
    """What stands in an entry's row beside its bytes."""
    act, out, run = body.act, body.out, body.run
    ref = (act.plan_ref or None) if act else None
    found = (
        body.id,
        body.type.value,
        body.prev,
        act.target.handle if act else None,
        ref or (run.plan if run else None),
        out.state if out else None,
        (act.target.fp or None) if act else None,
        out.ref if out else ref,
        act.step if act else "",
    )
    # PostgreSQL's text has no room for a NUL, which a hostile system may put into an id.
    return tuple(
        each.replace("\0", "\N{REPLACEMENT CHARACTER}") if each else each for each in found
    )


def init(admin: Secret, role: str) -> None:
    """Create the journal's tables, and let a role insert and read, and nothing else.

    ``admin`` is the connection string of one who may create schemas; it owns the tables
    from then on, and should not be among those who act. The role must exist.

    Raises:
        JournalError: it cannot be done; nothing was created.
    """
    import psycopg
    from psycopg import sql

    name = sql.Identifier(role)
    grants = (
        "REVOKE ALL ON SCHEMA {schema} FROM PUBLIC",
        "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC",
        "GRANT USAGE ON SCHEMA {schema} TO {role}",
        "GRANT SELECT, INSERT ON {schema}.entry, {schema}.node, {schema}.checkpoint,"
        " {schema}.cosigned TO {role}",
        "GRANT SELECT ON {schema}.version TO {role}",
    )
    try:
        with psycopg.connect(
            _readable(admin), connect_timeout=10, client_encoding="UTF8"
        ) as connection:
            encoding = connection.info.parameter_status("server_encoding")
            if encoding != ENCODING:
                raise JournalError(
                    f"the database keeps its text in {encoding}, and a journal wants {ENCODING};"
                    " nothing was made",
                    f"Make one for it: CREATE DATABASE journal ENCODING '{ENCODING}' TEMPLATE"
                    " template0 LOCALE 'C';",
                )
            connection.execute(_TABLES)
            for grant in grants:
                statement = sql.SQL(grant).format(schema=sql.Identifier(SCHEMA), role=name)
                connection.execute(statement)
    except psycopg.Error as error:
        raise JournalError(
            f"cannot create the journal's tables: {_words(error)}",
            f"The role {role!r} must exist, and the administrator may create a schema.",
        ) from None


class PostgresStore:
    """A journal in PostgreSQL. ``dsn`` is a connection string, which may hold a password.

    Raises:
        JournalError: no journal there, made by a newer console, or not safe to write to.
    """

    def __init__(self, dsn: Secret) -> None:
        self._dsn = dsn
        self._threads = threading.RLock()
        self._connection = self._connect()

    @property
    def where(self) -> str:
        """Which database it is, without the password."""
        info = self._connection.info
        return f"postgresql://{info.host}:{info.port}/{info.dbname}"

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """One transaction with the right to append, which only one bastion has at a time.

        Raises:
            JournalError: the server refused it, or went away; nothing of it is kept then.
        """
        import psycopg

        with self._threads:
            try:
                with self._connection.transaction():
                    self._begin()
                    yield
            except psycopg.Error as error:
                raise _trouble(error) from None

    def rows(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement with ``?`` for its values.

        Raises:
            JournalError: it cannot be read.
        """
        import psycopg

        with self._threads:
            try:
                return self._execute(statement, values).fetchall()
            except psycopg.Error as error:
                raise _trouble(error) from None

    def insert(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Insert rows, within ``exclusive``.

        Raises:
            AlreadyRecorded: there is an entry of that already.
            JournalError: it cannot be written.
        """
        import psycopg

        try:
            with self._connection.cursor() as cursor:
                for row in rows:
                    cursor.execute(_numbered(statement), row)
        except psycopg.errors.IntegrityError as error:
            raise AlreadyRecorded(
                f"the journal refuses a second entry of that: {_words(error)}"
            ) from None
        except psycopg.Error as error:
            raise _trouble(error) from None

    def version(self) -> object:
        """Nothing: what others wrote is read anew each time."""
        return None

    def add_entry(self, seq: int, leaf: bytes) -> None:
        """Add an entry's bytes, with the columns by which it is found."""
        names = ", ".join(_COLUMNS)
        marks = ", ".join("?" for _ in range(len(_COLUMNS) + 2))
        statement = f"INSERT INTO entry (seq, leaf, {names}) VALUES ({marks})"  # noqa: S608
        self.insert(statement, [(seq, leaf, *columns(parse(leaf)))])

    def damage(self) -> str:
        """Rows whose columns for finding do not say what their entry says."""
        after = 0
        while page := self.rows(
            f"SELECT seq, leaf, {', '.join(_COLUMNS)} FROM entry"  # noqa: S608
            " WHERE seq > ? ORDER BY seq LIMIT 2000",
            (after,),
        ):
            for seq, leaf, *found in page:
                with contextlib.suppress(JournalError):
                    if tuple(found) != columns(parse(raw(leaf))):
                        return f"the columns of entry {seq} are not those of its bytes"
            after = page[-1][0]
        return ""

    def guards(self, *, deep: bool = False) -> list[Odd]:
        """Of its columns ``damage`` tells, and its indexes are the server's own."""
        odd: list[Odd] = []
        triggers = self.rows(_TRIGGERS, (SCHEMA,))
        for table, name, on, definition in triggers:
            if (table, name) != ("entry", _TRIGGER):
                odd.append(Odd(True, f"a trigger that is not ours: {safe(name)} on {safe(table)}"))
            elif on not in ("O", "A"):
                odd.append(Odd(False, "the trigger that refuses changes is switched off"))
            elif "BEFORE DELETE OR UPDATE OR TRUNCATE ON " not in definition:
                odd.append(Odd(True, "the trigger that refuses changes is not the one we made"))
        if all((table, name) != ("entry", _TRIGGER) for table, name, *_ in triggers):
            odd.append(Odd(False, "the trigger that refuses changes is gone"))
        elif [str(body) for (body,) in self.rows(_REFUSAL, (SCHEMA,))] != [_REFUSE]:
            odd.append(Odd(True, "the trigger that refuses changes does not refuse any more"))
        for table, name in self.rows(_RULES, (SCHEMA,)):
            odd.append(Odd(True, f"a rule that is not ours: {safe(name)} on {safe(table)}"))
        for (table,) in self.rows(_HIDDEN, (SCHEMA,)):
            odd.append(Odd(True, f"rows of {safe(table)} may be hidden by a policy"))
        there = {str(name) for (name,) in self.rows(_UNIQUE, (SCHEMA,))}
        for name in sorted(_ONCE - there):
            odd.append(Odd(False, f"the unique index {name} is gone"))
        return odd

    def mend(self) -> list[Odd]:
        """As the interface says; only an owner of the tables can."""
        import psycopg
        from psycopg import sql

        odd = self.guards()
        if not odd:
            return odd
        known = {"schema": sql.Identifier(SCHEMA)}

        def run(statement: str, **names: str) -> None:
            parts = {key: sql.Identifier(name) for key, name in names.items()}
            self._connection.execute(sql.SQL(statement).format(**known, **parts))

        try:
            for table, name, *_ in self.rows(_TRIGGERS, (SCHEMA,)):
                run("DROP TRIGGER {name} ON {schema}.{table}", name=name, table=table)
            for table, name in self.rows(_RULES, (SCHEMA,)):
                run("DROP RULE {name} ON {schema}.{table}", name=name, table=table)
            for (table,) in self.rows(_HIDDEN, (SCHEMA,)):
                run("ALTER TABLE {schema}.{table} DISABLE ROW LEVEL SECURITY", table=table)
            self._connection.execute(_GUARD)
            there = {str(name) for (name,) in self.rows(_UNIQUE, (SCHEMA,))}
            for name in sorted(_ONCE - there):
                self._connection.execute(_UNIQUES[name])
        except psycopg.Error as error:
            raise _trouble(error) from None
        return odd

    def reopen(self) -> None:
        """Begin anew with a fresh connection, as after an error that leaves the old one unsure."""
        with self._threads:
            self._connection.close()
            self._connection = self._connect()

    def tidy(self) -> None:
        """Nothing to do: the server keeps house."""

    def close(self) -> None:
        """Close the connection."""
        with self._threads:
            self._connection.close()

    def may_change(self) -> bool:
        """Whether the role could change or remove entries, which it should not."""
        statement = "SELECT has_table_privilege('entry', 'UPDATE, DELETE, TRUNCATE')"
        return bool(self.rows(statement)[0][0])

    def _execute(self, statement: str, values: Iterable[Any] = ()) -> psycopg.Cursor[Any]:
        return self._connection.execute(_numbered(statement), tuple(values))

    def _begin(self) -> None:
        """The transaction's own promises, read back; then nobody else writes until it ends."""
        self._execute("SET LOCAL synchronous_commit = on")
        self._execute(f"SET LOCAL lock_timeout = '{LOCK_PATIENCE}s'")
        state = "SELECT current_setting('synchronous_commit'), pg_advisory_xact_lock(?)"
        if self._execute(state, (LOCK,)).fetchall()[0][0] != "on":
            raise JournalError("PostgreSQL keeps synchronous_commit off", "Nothing is sent.")

    def _connect(self) -> psycopg.Connection[Any]:
        import psycopg

        try:
            connection = psycopg.connect(
                _readable(self._dsn),
                connect_timeout=10,
                autocommit=True,
                prepare_threshold=1,
                client_encoding="SQL_ASCII",
            )
        except psycopg.Error as error:
            raise _trouble(error) from None
        _read_text(connection)
        try:
            connection.execute(f"SET search_path = {SCHEMA}")
            # One snapshot for each statement: what another writer committed is seen.
            connection.execute("SET default_transaction_isolation = 'read committed'")
            for name in ("fsync", "full_page_writes"):
                row = connection.execute(f"SHOW {name}").fetchone()
                if row is None or row[0] != "on":
                    raise JournalError(
                        f"the journal's PostgreSQL server has {name} off",
                        "Nothing is sent, as it could lose an entry. Turn it on.",
                    )
            found = connection.execute("SELECT version FROM version").fetchone()
            if found is None or found[0] > VERSION:
                raise JournalError(
                    "the journal was written by a newer token-console", "Use that version."
                )
        except psycopg.Error as error:
            connection.close()
            raise JournalError(
                f"there is no journal for this role in that database: {_words(error)}",
                "Let its administrator create one: token-console journal init-postgres.",
            ) from None
        except BaseException:
            connection.close()
            raise
        return connection


def _readable(dsn: Secret) -> str:
    """The connection string, if it is one: what psycopg says of a bad one quotes it."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(dsn.reveal())
    except psycopg.Error:
        raise JournalError(
            "the journal's connection string cannot be read",
            "Write it as postgresql://host/database, or as: host=... dbname=... user=...",
        ) from None
    return dsn.reveal()


def _read_text(connection: psycopg.Connection[Any]) -> None:
    """Give text as text: psycopg gives bytes where no conversion was asked for.

    What is no UTF-8, as a role's name may be, is given with escapes.
    """
    from psycopg.adapt import Loader

    class Text(Loader):
        def load(self, data: bytes | bytearray | memoryview) -> str:
            return bytes(data).decode("utf-8", "backslashreplace")

    for name in ("name", "text", "varchar"):
        connection.adapters.register_loader(name, Text)


def _numbered(statement: str) -> Any:
    return statement.replace("?", "%s")


def _words(error: psycopg.Error) -> str:
    """The server's own first line. What it says beyond may quote the row."""
    from psycopg.pq import DiagnosticField

    # psycopg would take the bytes for ASCII.
    field = DiagnosticField.MESSAGE_PRIMARY
    raw = error.pgresult.error_field(field) if error.pgresult is not None else None
    told = raw.decode("utf-8", "backslashreplace") if raw else str(error)
    return told.strip().partition("\n")[0]


def _trouble(error: psycopg.Error) -> StoreFailed:
    # Class 53: insufficient resources (a full disk is 53100).
    kind = Full if error.sqlstate == "53100" else StoreFailed
    return kind(
        f"cannot use the journal in PostgreSQL: {_words(error)}",
        "Nothing is sent while that is so. See whether the server can be reached.",
    )
