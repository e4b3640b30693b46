"""Who is calling, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from corral.kit.errors import Forbidden


class Permission(StrEnum):
    """What a route or a socket event asks of its caller; every one declares exactly one of these."""

    PUBLIC = "public"
    STATUS = "status"
    CHAT = "chat"
    AGENTS_READ = "agents:read"
    AGENTS_WRITE = "agents:write"
    MODELS_READ = "models:read"
    MODELS_MANAGE = "models:manage"
    CONFIG_READ = "config:read"
    CONFIG_MANAGE = "config:manage"
    INFERENCE = "inference"
    PROVIDERS_READ = "providers:read"
    PROVIDERS_MANAGE = "providers:manage"
    ROUTES_READ = "routes:read"
    ROUTES_MANAGE = "routes:manage"
    MONITORING_READ = "monitoring:read"
    LOGS_READ = "logs:read"
    LOGS_MANAGE = "logs:manage"
    DEBUG_READ = "debug:read"


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of one request; `key_id` is the API key it came with, empty without one."""

    user_id: str
    permissions: frozenset[Permission]
    key_id: str = ""

    def require(self, permission: Permission) -> None:
        """Raises Forbidden unless the caller has `permission`."""
        if permission is not Permission.PUBLIC and permission not in self.permissions:
            raise Forbidden(f"This needs the permission '{permission.value}', which {self.user_id} does not have.")
