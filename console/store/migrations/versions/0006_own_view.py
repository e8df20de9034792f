"""What a backend tells one process of itself is not kept for the others."""

import sqlalchemy as sa
from alembic import op

revision = "own_view"
down_revision = "event_class"
branch_labels = None
depends_on = None


def upgrade() -> None:
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("backend")}
    for name in ("whoami", "latency_ms", "version", "notes"):
        if name in there:
            op.drop_column("backend", name)
