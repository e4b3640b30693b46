"""The table of answers under idempotency keys. Times are milliseconds since 1970, UTC."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, String, Table, Text

from corral.store.schema import metadata

idempotency_records = Table(
    "idempotency_records", metadata,
    Column("tenant", String(128), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request_hash", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary),
    Column("size", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_idempotency_records_expires_at", "expires_at"),
)  # fmt: skip
"""`state`: running; done; toolarge (the answer was given and is too large to be kept)."""
