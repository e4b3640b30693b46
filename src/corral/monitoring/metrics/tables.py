"""The table of the metrics' history. Times are milliseconds since 1970, UTC."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Integer, String, Table

from corral.store.schema import metadata

metrics_history = Table(
    "metrics_history", metadata,
    Column("resolution", Integer, primary_key=True, autoincrement=False),
    Column("subject", String(220), primary_key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("cpu", Float),
    Column("memory", Float),
    Column("disk", Float),
    Column("gpu", Float),
    Column("gpu_memory", Float),
    Column("tokens_per_second", Float),
    Column("prompt_tokens_per_second", Float),
    Column("slots_busy", Float),
    Column("kv_use", Float),
    Column("queue", Float),
)  # fmt: skip
"""`resolution` is the seconds that a row stands for, `subject` is `host`, `server` or `engine:NAME`."""
