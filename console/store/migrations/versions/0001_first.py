"""The first schema: all that the inventory's store has.

What stands here is what was made on somebody's disk, so it does not follow ``tables`` when
that changes: a change is a migration of its own.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _text(*names: str, null: bool = False, key: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=null, primary_key=key) for name in names]


def _told(*names: str) -> list[sa.Column[str]]:
    """Texts that are empty where nobody says anything."""
    return [sa.Column(name, sa.String(), nullable=False, server_default="") for name in names]


def _number(*names: str, null: bool = False, key: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer(), nullable=null, primary_key=key) for name in names]


def _blob(name: str, *, null: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=null)


def upgrade() -> None:
    """Make everything."""
    _tokens()
    _backends()
    _events()
    _logs()
    _links()
    _owners()
    mark = op.create_table("mark", *_text("name", key=True), *_number("value"))
    op.bulk_insert(mark, [{"name": "generation", "value": 1}])


def _tokens() -> None:
    op.create_table(
        "token",
        *_number("num", key=True),
        *_text("handle", "backend", "kind", "ref", "name", "name_key", "scope", "state", "status"),
        *_text("owner_how"),
        *_text("owner", "owner_key", null=True),
        *_text("principal_how"),
        *_text("principal", null=True),
        *_text("created_how"),
        *_number("created_at", null=True),
        *_text("used_how"),
        *_number("used_at", "used_key", null=True),
        *_text("used_from", null=True),
        *_text("expires_how"),
        *_number("expires_at", "expires_key", null=True),
        *_text("grants_how"),
        *_number("grants", null=True),
        *_number("first_seen"),
        *_number("appeared_at", "last_seen", "read_at", "gone_at", null=True),
        *_number("changed_at"),
        *_text("change"),
        _blob("digest"),
        *_text("hay", "grant_text"),
        *_told("owner_from", "owner_gone"),
    )
    op.create_index("ix_token_handle", "token", ["handle"], unique=True)
    op.create_index("ix_token_name", "token", ["name_key"])
    op.create_index("ix_token_backend", "token", ["backend", "name_key"])
    op.create_index("ix_token_owner", "token", ["owner_key", "name_key"])
    op.create_index("ix_token_status", "token", ["status", "name_key"])
    op.create_index("ix_token_kind", "token", ["kind", "name_key"])
    op.create_index("ix_token_created", "token", ["created_at"])
    op.create_index("ix_token_used", "token", ["used_key"])
    op.create_index("ix_token_expires", "token", ["expires_key"])
    op.create_index("ix_token_grants", "token", ["grants"])
    op.create_index("ix_token_changed", "token", ["changed_at"])
    # The text is folded before it is stored, so the index compares bytes. It keeps no
    # copy of the text; whoever writes to `token` tells it the old and the new.
    op.execute(
        "CREATE VIRTUAL TABLE token_fts USING fts5(hay, grant_text, content='token',"
        " content_rowid='num', columnsize=0, tokenize='trigram case_sensitive 1')"
    )
    op.execute("CREATE VIRTUAL TABLE token_terms USING fts5vocab(token_fts, row)")
    op.create_table("document", *_number("num", key=True), _blob("doc"), _blob("kept", null=True))
    op.create_table(
        "change",
        *_number("id", key=True),
        *_number("token", "at"),
        *_text("kind", "field", "before", "after", "source"),
    )
    op.create_index("ix_change_token", "change", ["token"])


def _backends() -> None:
    op.create_table(
        "backend",
        *_text("name", key=True),
        *_text("type", "result", "error", "hint"),
        *_number("tried_at", "synced_at", "running_pid", "skew_ms", null=True),
        _blob("capabilities", null=True),
        *_number("tokens", "gone"),
        *_number("events_since", "events_until", "event_at", null=True),
    )
    op.create_table(
        "gap",
        *_number("id", key=True),
        *_text("backend", "part", "scope", "kind", "what", "hint"),
    )
    op.create_index("ix_gap_backend", "gap", ["backend"])
    op.create_table("scope", *_text("backend", "scope", key=True), *_number("done_at", "seen"))


def _events() -> None:
    op.create_table(
        "event",
        *_number("key", key=True),
        *_text("backend", "event_id"),
        *_number("at"),
        *_text("action", "outcome"),
        *_text("handle", "ref_kind", "ref_id", null=True),
        *_text("actor", "target", "source", "agent", "origin", "detail"),
        *_told("class", "effect"),
    )
    op.create_index("ix_event_token", "event", ["handle", "at"])
    op.create_index("ix_event_at", "event", ["at"])
    op.create_table("sealed", *_number("key", key=True), *_text("seal"))
    op.create_index("ix_sealed_seal", "sealed", ["seal"])
    op.create_table(
        "use_hour",
        *_text("handle", key=True),
        *_number("hour", key=True),
        *_number("uses"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rollup",
        *_text("handle", "backend", key=True),
        *_number("slot", key=True),
        *_text("class", "outcome", key=True),
        *_number("uses"),
        sqlite_with_rowid=False,
    )


def _logs() -> None:
    op.create_table(
        "log_source",
        *_text("name", key=True),
        *_text("backend", "type"),
        *_number("covers_since", "covers_until", "last_at", "read_at", null=True),
        *_number("events", "bad", "ahead_ms", "back_ms"),
        *_text("error", "hint"),
        *_told("covers"),
        sa.Column("named", sa.Integer(), nullable=False, server_default="0"),
    )
    op.create_table(
        "log_position",
        *_text("source", "file", key=True),
        _blob("state"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "log_hole",
        *_number("id", key=True),
        *_text("source", "backend"),
        *_number("since", "until", null=True),
        *_text("kind", "what", "hint"),
        *_told("file"),
    )
    op.create_index("ix_log_hole_backend", "log_hole", ["backend"])
    op.create_table(
        "log_name",
        *_text("alias", key=True),
        *_text("backend", "kind", "name"),
        *_text("handle", null=True),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_log_name_handle", "log_name", ["handle"])
    op.create_table(
        "log_learned",
        *_text("source", "key", key=True),
        *_text("value"),
        sqlite_with_rowid=False,
    )


def _links() -> None:
    op.create_table(
        "node",
        *_number("num", key=True),
        *_text("side", "key", "kind"),
        *_number("kind_rank"),
        *_text("name", "place"),
    )
    op.create_index("ix_node_key", "node", ["side", "key"], unique=True)
    op.create_table(
        "link",
        *_number("a", "b", key=True),
        *_text("kind", "source", "origin", key=True),
        *_number("seen", null=True),
        *_number("times", "confidence"),
        *_text("detail"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_link_back", "link", ["b", "a"])
    op.create_index("ix_link_origin", "link", ["origin", "a"])
    op.create_table("linked", *_number("num", key=True), _blob("digest"))
    op.create_table(
        "link_source",
        *_text("name", key=True),
        *_text("kind"),
        *_number("at", null=True),
        *_number("found"),
        *_text("problem", "hint", "mark"),
    )


def _owners() -> None:
    op.create_table(
        "claim",
        *_number("id", key=True),
        *_text("handle", "owner", "kind", "how", "origin"),
        *_number("at", null=True),
        *_text("entry", "reason"),
    )
    op.create_index("ix_claim_handle", "claim", ["handle"])
    op.create_index("ix_claim_origin", "claim", ["origin"])
    op.create_table("departed", *_text("key", "origin", key=True), *_text("name", "how"))
    op.create_table(
        "fingerprint",
        *_text("print", "handle", key=True),
        *_text("origin"),
        *_number("at"),
        sqlite_with_rowid=False,
    )
