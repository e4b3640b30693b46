"""The table of what was spent. Times are milliseconds since 1970, UTC; money is billionths of a US dollar."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table

from corral.store.schema import metadata

budgets_spent = Table(
    "budgets_spent", metadata,
    Column("scope", String(16), primary_key=True),
    Column("subject", String(512), primary_key=True),
    Column("period", String(8), primary_key=True),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("spent", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)  # fmt: skip
