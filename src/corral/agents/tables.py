"""The tables of the agents. Times are milliseconds since 1970, UTC."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from corral.store.schema import metadata

agents = Table(
    "agents", metadata,
    Column("id", String(40), primary_key=True),
    Column("user_id", String(64), nullable=False),
    Column("title", String(200), nullable=False),
    Column("titled", Boolean, nullable=False),
    Column("model", String(200)),
    Column("last_seq", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    Column("forked_from", String(40)),
    Column("sampling", Text),
    Index("ix_agents_user_id_updated_at", "user_id", "updated_at"),
)  # fmt: skip

default_agents = Table(
    "default_agents", metadata,
    Column("user_id", String(64), primary_key=True),
    Column("agent_id", String(40), ForeignKey("agents.id", ondelete="CASCADE"), nullable=False),
)  # fmt: skip

turns = Table(
    "turns", metadata,
    Column("id", String(40), primary_key=True),
    Column("agent_id", String(40), ForeignKey("agents.id", ondelete="CASCADE"), nullable=False),
    Column("user_seq", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("client_key", String(200)),
    Column("payload_hash", String(64), nullable=False),
    Column("model", String(200)),
    Column("next_offset", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error_code", String(64)),
    Column("error_message", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("sampling", Text),
    UniqueConstraint("agent_id", "client_key", name="uq_turns_agent_id_client_key"),
    UniqueConstraint("agent_id", "user_seq", name="uq_turns_agent_id_user_seq"),
    Index("ix_turns_state", "state"),
)  # fmt: skip

messages = Table(
    "messages", metadata,
    Column("id", String(40), primary_key=True),
    Column("agent_id", String(40), ForeignKey("agents.id", ondelete="CASCADE"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("role", String(16), nullable=False),
    Column("content", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("turn_id", String(40), ForeignKey("turns.id", ondelete="CASCADE")),
    Column("parent_id", String(40)),
    Column("created_at", BigInteger, nullable=False),
    Column("place", String(16)),
    Column("model", String(200)),
    Column("stats", Text),
    UniqueConstraint("agent_id", "seq", name="uq_messages_agent_id_seq"),
    Index("ix_messages_turn_id", "turn_id"),
)  # fmt: skip

turn_events = Table(
    "turn_events", metadata,
    Column("turn_id", String(40), ForeignKey("turns.id", ondelete="CASCADE"), primary_key=True),
    Column("offset", Integer, primary_key=True),
    Column("type", String(16), nullable=False),
    Column("data", Text, nullable=False),
)  # fmt: skip

device_turns = Table(
    "device_turns", metadata,
    Column("user_id", String(64), primary_key=True),
    Column("client_key", String(200), primary_key=True),
    Column("turn_id", String(40), ForeignKey("turns.id", ondelete="CASCADE"), nullable=False),
    Index("ix_device_turns_turn_id", "turn_id"),
)  # fmt: skip

generations = Table(
    "generations", metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Integer, nullable=False),
)  # fmt: skip
