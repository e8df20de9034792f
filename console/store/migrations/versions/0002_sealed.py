"""Which events stand under which of the journal's seals."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sealed",
        sa.Column("key", sa.Integer(), nullable=False, primary_key=True),
        sa.Column("seal", sa.String(), nullable=False),
    )
    op.create_index("ix_sealed_seal", "sealed", ["seal"])
