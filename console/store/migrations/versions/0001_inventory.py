"""The inventory as it began: tokens, documents, history, coverage, events."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def text(name: str, *, null: bool = False, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=null, primary_key=key)


def number(name: str, *, null: bool = False, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=null, primary_key=key)


def blob(name: str, *, null: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=null)


def upgrade() -> None:
    op.create_table(
        "token",
        number("num", key=True),
        text("handle"),
        text("backend"),
        text("kind"),
        text("ref"),
        text("name"),
        text("name_key"),
        text("scope"),
        text("state"),
        text("status"),
        text("owner_how"),
        text("owner", null=True),
        text("owner_key", null=True),
        text("principal_how"),
        text("principal", null=True),
        text("created_how"),
        number("created_at", null=True),
        text("used_how"),
        number("used_at", null=True),
        number("used_key", null=True),
        text("used_from", null=True),
        text("expires_how"),
        number("expires_at", null=True),
        number("expires_key", null=True),
        text("grants_how"),
        number("grants", null=True),
        number("first_seen"),
        number("appeared_at", null=True),
        number("last_seen", null=True),
        number("read_at", null=True),
        number("gone_at", null=True),
        number("changed_at"),
        text("change"),
        blob("digest"),
        text("hay"),
        text("grant_text"),
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
    op.create_table("document", number("num", key=True), blob("doc"), blob("kept", null=True))
    op.create_table(
        "change",
        number("id", key=True),
        number("token"),
        number("at"),
        text("kind"),
        text("field"),
        text("before"),
        text("after"),
        text("source"),
    )
    op.create_index("ix_change_token", "change", ["token"])
    op.create_table(
        "backend",
        text("name", key=True),
        text("type"),
        text("result"),
        text("error"),
        text("hint"),
        number("tried_at", null=True),
        number("synced_at", null=True),
        number("running_pid", null=True),
        number("latency_ms", null=True),
        text("version"),
        number("skew_ms", null=True),
        blob("notes"),
        blob("whoami", null=True),
        blob("capabilities", null=True),
        number("tokens"),
        number("gone"),
        number("events_since", null=True),
        number("events_until", null=True),
        number("event_at", null=True),
    )
    op.create_table(
        "gap",
        number("id", key=True),
        text("backend"),
        text("part"),
        text("scope"),
        text("kind"),
        text("what"),
        text("hint"),
    )
    op.create_index("ix_gap_backend", "gap", ["backend"])
    op.create_table(
        "scope",
        text("backend", key=True),
        text("scope", key=True),
        number("done_at"),
        number("seen"),
    )
    op.create_table(
        "event",
        number("key", key=True),
        text("backend"),
        text("event_id"),
        number("at"),
        text("action"),
        text("outcome"),
        text("handle", null=True),
        text("ref_kind", null=True),
        text("ref_id", null=True),
        text("actor"),
        text("target"),
        text("source"),
        text("agent"),
        text("origin"),
        text("detail"),
    )
    op.create_index("ix_event_token", "event", ["handle", "at"])
    op.create_index("ix_event_at", "event", ["at"])
    op.create_table(
        "use_hour",
        text("handle", key=True),
        number("hour", key=True),
        number("uses"),
        sqlite_with_rowid=False,
    )
    mark = op.create_table("mark", text("name", key=True), number("value"))
    op.bulk_insert(mark, [{"name": "generation", "value": 1}])
