"""Agents, their messages, turns and token logs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "agents",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("titled", sa.Boolean, nullable=False),
        sa.Column("model", sa.String(200)),
        sa.Column("last_seq", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("deleted_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_agents"),
    )
    op.create_index("ix_agents_user_id_updated_at", "agents", ["user_id", "updated_at"])
    op.create_table(
        "default_agents",
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("agent_id", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_default_agents"),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name="fk_default_agents_agent_id_agents", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "turns",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("agent_id", sa.String(40), nullable=False),
        sa.Column("user_seq", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("client_key", sa.String(200)),
        sa.Column("payload_hash", sa.String(64), nullable=False),
        sa.Column("model", sa.String(200)),
        sa.Column("next_offset", sa.Integer, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error_code", sa.String(64)),
        sa.Column("error_message", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_turns"),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name="fk_turns_agent_id_agents", ondelete="CASCADE"),
        sa.UniqueConstraint("agent_id", "client_key", name="uq_turns_agent_id_client_key"),
        sa.UniqueConstraint("agent_id", "user_seq", name="uq_turns_agent_id_user_seq"),
    )
    op.create_index("ix_turns_state", "turns", ["state"])
    _messages_and_events()


def _messages_and_events() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("agent_id", sa.String(40), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("turn_id", sa.String(40)),
        sa.Column("parent_id", sa.String(40)),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name="fk_messages_agent_id_agents", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["turn_id"], ["turns.id"], name="fk_messages_turn_id_turns", ondelete="CASCADE"),
        sa.UniqueConstraint("agent_id", "seq", name="uq_messages_agent_id_seq"),
    )
    op.create_index("ix_messages_turn_id", "messages", ["turn_id"])
    op.create_table(
        "turn_events",
        sa.Column("turn_id", sa.String(40), nullable=False),
        sa.Column("offset", sa.Integer, nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("turn_id", "offset", name="pk_turn_events"),
        sa.ForeignKeyConstraint(["turn_id"], ["turns.id"], name="fk_turn_events_turn_id_turns", ondelete="CASCADE"),
    )
    op.create_table(
        "generations",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("value", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_generations"),
    )
