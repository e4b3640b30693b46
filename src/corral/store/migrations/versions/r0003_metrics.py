"""The history of metrics."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "metrics_history",
        sa.Column("resolution", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("subject", sa.String(220), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("cpu", sa.Float),
        sa.Column("memory", sa.Float),
        sa.Column("disk", sa.Float),
        sa.Column("gpu", sa.Float),
        sa.Column("gpu_memory", sa.Float),
        sa.Column("tokens_per_second", sa.Float),
        sa.Column("prompt_tokens_per_second", sa.Float),
        sa.Column("slots_busy", sa.Float),
        sa.Column("kv_use", sa.Float),
        sa.Column("queue", sa.Float),
        sa.PrimaryKeyConstraint("resolution", "subject", "at", name="pk_metrics_history"),
    )
