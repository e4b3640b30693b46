"""The table of kept answers. Times are milliseconds since 1970, UTC."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Table, Text

from corral.store.schema import metadata

response_cache = Table(
    "response_cache", metadata,
    Column("tenant", String(128), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("media_type", String(100), nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_response_cache_expires_at", "expires_at"),
    Index("ix_response_cache_used_at", "used_at"),
)  # fmt: skip
