"""`GET /api/usage`: what was asked, used and spent, as sums."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.inference.usage import UsageLog
from corral.surfaces.api.routing import ApiRouter


def usage_router(accounts: Accounts, usage: UsageLog) -> ApiRouter:
    """The routes of usage."""
    api = ApiRouter(accounts, tags=["usage"])

    @api.get("/api/usage", permission=Permission.MONITORING_READ)
    async def sums(
        start: Annotated[datetime | None, Query(alias="from", description="ISO 8601; a day ago without it.")] = None,
        end: Annotated[datetime | None, Query(alias="to", description="ISO 8601; now without it.")] = None,
        by: Annotated[str, Query(max_length=16, description="model, provider, route, user, key or none.")] = "model",
        step: Annotated[str | None, Query(max_length=8, description="hour or day; one sum without it.")] = None,
        user: Annotated[
            str | None, Query(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$", description="Of this user only.")
        ] = None,
    ) -> dict[str, Any]:
        return await usage.sums(start=_aware(start), end=_aware(end), group=by, step=step, user_id=user)

    return api


def _aware(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo is not None else moment.replace(tzinfo=UTC)
