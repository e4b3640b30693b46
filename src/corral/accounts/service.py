"""Accounts in local mode: the machine's owner is the user `local` and may do everything.

Accounts are off only on loopback (`app` refuses a public address); a caller may then name the user it speaks for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from corral.accounts.types import Permission, Principal
from corral.kit.errors import InvalidRequest

LOCAL_USER = "local"
_USER_ID = re.compile(r"[A-Za-z0-9_.@-]{1,64}")


class Accounts(Protocol):
    """What the doors need of accounts."""

    def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """The caller of a request by its headers (names in lower case). Raises Unauthorized."""
        ...

    def as_user(self, principal: Principal, user_id: str | None) -> Principal:
        """The principal that acts as `user_id`. Raises InvalidRequest for a bad name, Forbidden for another's."""
        ...


class LocalAccounts:
    """Accounts switched off: everybody on this machine is trusted."""

    def __init__(self) -> None:
        self._owner = Principal(LOCAL_USER, frozenset(Permission))

    def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """See `Accounts.authenticate`."""
        return self._owner

    def as_user(self, principal: Principal, user_id: str | None) -> Principal:
        """See `Accounts.as_user`."""
        if user_id is None or user_id == principal.user_id:
            return principal
        if not isinstance(user_id, str) or not _USER_ID.fullmatch(user_id):
            raise InvalidRequest("userId takes 1 to 64 letters, digits or _ . @ -", param="userId")
        return Principal(user_id, principal.permissions, principal.key_id)
