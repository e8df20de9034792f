"""Who owns what and what uses it: the nodes, the links with their evidence, and the claims."""

import sqlalchemy as sa
from alembic import op

revision = "graph_links"
down_revision = "0002"
branch_labels = None
depends_on = None


def text(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False, primary_key=key)


def number(name: str, *, null: bool = False, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=null, primary_key=key)


def upgrade() -> None:
    op.create_table(
        "node",
        number("num", key=True),
        text("side"),
        text("key"),
        text("kind"),
        number("kind_rank"),
        text("name"),
        text("place"),
    )
    op.create_index("ix_node_key", "node", ["side", "key"], unique=True)
    op.create_table(
        "link",
        number("a", key=True),
        number("b", key=True),
        text("kind", key=True),
        text("source", key=True),
        text("origin", key=True),
        number("seen", null=True),
        number("times"),
        number("confidence"),
        text("detail"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_link_back", "link", ["b", "a"])
    op.create_index("ix_link_origin", "link", ["origin", "a"])
    op.create_table(
        "linked",
        number("num", key=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "claim",
        number("id", key=True),
        text("handle"),
        text("owner"),
        text("kind"),
        text("how"),
        text("origin"),
        number("at", null=True),
        text("entry"),
        text("reason"),
    )
    op.create_index("ix_claim_handle", "claim", ["handle"])
    op.create_index("ix_claim_origin", "claim", ["origin"])
    op.create_table(
        "departed",
        text("key", key=True),
        text("origin", key=True),
        text("name"),
        text("how"),
    )
    op.create_table(
        "fingerprint",
        text("print", key=True),
        text("handle", key=True),
        text("origin"),
        number("at"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "link_source",
        text("name", key=True),
        text("kind"),
        number("at", null=True),
        number("found"),
        text("problem"),
        text("hint"),
        text("mark"),
    )
    op.add_column("token", sa.Column("owner_from", sa.String(), nullable=False, server_default=""))
    op.add_column("token", sa.Column("owner_gone", sa.String(), nullable=False, server_default=""))
