"""Counts that outlive the raw events, the places reached in log files, and holes in logs."""

import sqlalchemy as sa
from alembic import op

revision = "timeline"
down_revision = "graph_links"
branch_labels = None
depends_on = None


def text(name: str, *, key: bool = False, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=null, primary_key=key)


def number(name: str, *, null: bool = False, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=null, primary_key=key)


def upgrade() -> None:
    op.create_table(
        "rollup",
        text("handle", key=True),
        text("backend", key=True),
        number("slot", key=True),
        text("class", key=True),
        text("outcome", key=True),
        number("uses"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "log_source",
        text("name", key=True),
        text("backend"),
        text("type"),
        number("covers_since", null=True),
        number("covers_until", null=True),
        number("last_at", null=True),
        number("read_at", null=True),
        number("events"),
        number("bad"),
        number("ahead_ms"),
        number("back_ms"),
        text("error"),
        text("hint"),
    )
    op.create_table(
        "log_position",
        text("source", key=True),
        text("file", key=True),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "log_hole",
        number("id", key=True),
        text("source"),
        text("backend"),
        number("since", null=True),
        number("until", null=True),
        text("kind"),
        text("what"),
        text("hint"),
    )
    op.create_index("ix_log_hole_backend", "log_hole", ["backend"])
    op.create_table(
        "log_name",
        text("alias", key=True),
        text("backend"),
        text("kind"),
        text("name"),
        text("handle", null=True),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_log_name_handle", "log_name", ["handle"])
    op.create_table(
        "log_learned",
        text("source", key=True),
        text("key", key=True),
        text("value"),
        sqlite_with_rowid=False,
    )
