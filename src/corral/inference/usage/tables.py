"""The table of usage events. Times are milliseconds since 1970, UTC; costs are billionths of a US dollar."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text

from corral.store.schema import metadata

usage_events = Table(
    "usage_events", metadata,
    Column("id", String(40), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("key_id", String(64)),
    Column("operation", String(16), nullable=False),
    Column("dialect", String(32), nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("route", String(200), nullable=False),
    Column("provider", String(200)),
    Column("model", String(512)),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("cost", BigInteger),
    Column("first_content_ms", BigInteger),
    Column("duration_ms", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("error", String(64)),
    Column("cache", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("tried", Text),
    Index("ix_usage_events_at", "at"),
    Index("ix_usage_events_user_id_at", "user_id", "at"),
)  # fmt: skip
"""`cost` is null when a price was not known. `provider` and `model` are those whose words came last, null when nobody was asked.
`tried` lists all attempts as JSON when there was more than one."""
