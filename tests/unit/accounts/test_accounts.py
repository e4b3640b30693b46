"""Local mode: one owner who may name users."""

from __future__ import annotations

import pytest

from corral.accounts.service import LocalAccounts
from corral.accounts.types import Permission, Principal
from corral.kit.errors import Forbidden, InvalidRequest


def test_everybody_on_this_machine_is_the_owner() -> None:
    principal = LocalAccounts().authenticate({})
    assert principal.user_id == "local"
    for permission in Permission:
        principal.require(permission)


def test_a_missing_permission_is_named() -> None:
    with pytest.raises(Forbidden, match="models:manage"):
        Principal("u", frozenset({Permission.CHAT})).require(Permission.MODELS_MANAGE)


def test_another_user_may_be_named() -> None:
    accounts = LocalAccounts()
    owner = accounts.authenticate({})
    assert accounts.as_user(owner, None) is owner
    assert accounts.as_user(owner, "alice@home.example").user_id == "alice@home.example"


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "../etc", "a\n"])
def test_a_bad_user_name_is_refused_with_the_field(name: str) -> None:
    accounts = LocalAccounts()
    with pytest.raises(InvalidRequest) as caught:
        accounts.as_user(accounts.authenticate({}), name)
    assert caught.value.param == "userId"
