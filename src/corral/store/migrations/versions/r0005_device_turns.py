"""Turns that a browser has answered: where an answer was made, whose turn it is, and what a conversation was forked from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns and the table."""
    op.add_column("agents", sa.Column("forked_from", sa.String(40)))
    op.add_column("messages", sa.Column("place", sa.String(16)))
    op.add_column("messages", sa.Column("model", sa.String(200)))
    op.add_column("messages", sa.Column("stats", sa.Text))
    op.create_table(
        "device_turns",
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("client_key", sa.String(200), nullable=False),
        sa.Column("turn_id", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "client_key", name="pk_device_turns"),
        sa.ForeignKeyConstraint(["turn_id"], ["turns.id"], name="fk_device_turns_turn_id_turns", ondelete="CASCADE"),
    )
    op.create_index("ix_device_turns_turn_id", "device_turns", ["turn_id"])
