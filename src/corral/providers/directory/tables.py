"""The tables of providers and of their keys. Times are milliseconds since 1970, UTC."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from corral.store.schema import metadata

providers = Table(
    "providers", metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("base_url", Text),
    # All else that can be set, as JSON.
    Column("options", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", String(64), nullable=False),
    Column("removed_at", BigInteger),
)  # fmt: skip

provider_keys = Table(
    "provider_keys", metadata,
    Column("id", String(40), primary_key=True),
    Column("provider_id", String(40), ForeignKey("providers.id", ondelete="CASCADE"), nullable=False),
    Column("label", String(100), nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("hint", String(16), nullable=False),
    Column("position", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
    Index("ix_provider_keys_provider_id", "provider_id"),
)  # fmt: skip
"""`secret` is sealed; see `accounts.secrets` and `directory.keys`."""
