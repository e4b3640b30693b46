"""Keys of providers, on both databases: how they are sealed, ordered and thrown away, and where they never go."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from corral.accounts.secrets import KEY_FILE
from corral.kit.errors import InvalidRequest, NotFound, Unavailable
from corral.store import Location
from tests.support.directory import SECRET, Desk, desk, quiet
from tests.support.providers import FakeProvider


async def test_a_key_is_sealed_and_only_its_end_is_ever_seen(tmp_path: Path, made: Desk) -> None:
    await made.add("cloud", **quiet())
    row = await made.providers.add_key("cloud", f" {SECRET}\n", "main", by="ann")
    [key] = row["keys"]
    assert (key["label"], key["hint"], key["source"], key["problem"]) == ("main", "wxyz", "database", None)
    assert [one.value for one in made.providers.live.provider("cloud").keys] == [SECRET]
    assert SECRET not in str(made.providers.listing())
    assert SECRET not in repr(made.providers.live.find("cloud"))

    def everything(connection: Connection) -> str:
        return str(connection.execute(text("SELECT * FROM providers")).all()) + str(
            [
                (row.label, row.hint, bytes(row.secret))
                for row in connection.execute(text("SELECT * FROM provider_keys"))
            ]
        )

    kept = await made.database.read(everything)
    assert SECRET not in kept
    assert SECRET[:12] not in kept
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("secret", ["", "   ", "two words", "käse", "a\nb", "x" * 9000, "a\x00b"])
async def test_what_no_key_can_be_is_refused_without_being_repeated(tmp_path: Path, secret: str) -> None:
    async with desk(tmp_path) as made:
        await made.add("cloud", **quiet())
        with pytest.raises(InvalidRequest) as refused:
            await made.providers.add_key("cloud", secret, None, by="ann")
        assert refused.value.param == "secret"
        assert len(refused.value.message) < 200
        assert not secret.strip() or secret not in refused.value.message


async def test_keys_have_labels_an_order_and_a_trash(made: Desk) -> None:
    await made.add("cloud", **quiet())
    for value in ("aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"):
        row = await made.providers.add_key("cloud", value, None, by="ann")
    labels = [key["label"] for key in row["keys"]]
    assert labels == ["key 1", "key 2", "key 3"]
    with pytest.raises(InvalidRequest, match="label"):
        await made.providers.add_key("cloud", "dddddddddddd", "key 2", by="ann")
    ids = [key["id"] for key in row["keys"]]
    with pytest.raises(InvalidRequest, match="each once"):
        await made.providers.order_keys("cloud", ids[:2], by="ann")
    row = await made.providers.order_keys("cloud", [ids[2], ids[0], ids[1]], by="ann")
    assert [key.value[0] for key in made.providers.live.provider("cloud").keys] == ["c", "a", "b"]
    row = await made.providers.remove_key("cloud", ids[0], by="ann")
    assert [key["label"] for key in row["keys"]] == ["key 3", "key 2"]
    with pytest.raises(NotFound):
        await made.providers.remove_key("cloud", ids[0], by="ann")
    row = await made.providers.restore_key("cloud", ids[0], by="ann")
    assert [key["label"] for key in row["keys"]] == ["key 3", "key 1", "key 2"]
    with pytest.raises(NotFound):
        await made.providers.restore_key("cloud", ids[0], by="ann")


async def test_a_key_cannot_be_moved_to_another_row_of_the_table(tmp_path: Path, location: Location) -> None:
    async with desk(tmp_path, location) as made:
        await made.add("cloud", **quiet())
        await made.add("other", **quiet(base_url="http://127.0.0.1:8/v1"))
        await made.providers.add_key("cloud", SECRET, None, by="ann")
        await made.providers.add_key("other", "another-secret-of-mine", None, by="ann")

        def swap(connection: Connection) -> None:
            rows = connection.execute(text("SELECT id, secret FROM provider_keys ORDER BY id")).all()
            for row, other in zip(rows, reversed(rows), strict=True):
                connection.execute(
                    text("UPDATE provider_keys SET secret = :s WHERE id = :i"), {"s": other.secret, "i": row.id}
                )

        await made.database.write(swap)
    async with desk(tmp_path, location) as again:
        for name in ("cloud", "other"):
            row = again.providers.row(name)
            assert "another row" in row["keys"][0]["problem"]
            assert "another row" in row["problem"]
            with pytest.raises(Unavailable):
                again.providers.live.provider(name)


async def test_a_key_never_goes_to_another_host_than_the_one_it_was_entered_for(
    tmp_path: Path, service: FakeProvider
) -> None:
    service.script()
    async with desk(tmp_path) as made:
        await made.add("cloud", **quiet())
        await made.providers.add_key("cloud", SECRET, None, by="ann")
        await made.providers.test("cloud", {"baseUrl": service.base_url}, None)
        moved = await made.providers.save("cloud", 1, {"baseUrl": service.base_url, "discover": True}, by="eve")
        assert "entered for http://127.0.0.1:9" in moved["keys"][0]["problem"]
        with pytest.raises(Unavailable, match="entered for"):
            made.providers.live.provider("cloud")
        with pytest.raises(InvalidRequest, match="entered for"):
            await made.providers.test("cloud", None, None)
        assert not any(SECRET in str(one) for one in service.seen())
        back = await made.providers.save("cloud", 2, {"baseUrl": "http://127.0.0.1:9/v2"}, by="ann")
        assert back["keys"][0]["problem"] is None
        assert [key.value for key in made.providers.live.provider("cloud").keys] == [SECRET]


async def test_a_new_provider_in_the_place_of_a_deleted_one_has_none_of_its_keys(made: Desk) -> None:
    await made.add("cloud", **quiet())
    await made.providers.add_key("cloud", SECRET, None, by="ann")
    await made.providers.delete("cloud", by="ann")
    row = await made.add("cloud", **quiet())
    assert (row["keys"], row["version"]) == ([], 1)
    with pytest.raises(NotFound):
        await made.providers.restore("cloud", by="ann")


async def test_the_lost_master_key_is_told_and_the_rest_goes_on(tmp_path: Path, location: Location) -> None:
    async with desk(tmp_path, location) as made:
        await made.add("cloud", **quiet())
        await made.providers.add_key("cloud", SECRET, None, by="ann")
        await made.add("open", **quiet())
    (tmp_path / KEY_FILE).unlink()
    async with desk(tmp_path, location) as again:
        row = again.providers.row("cloud")
        assert "another master key" in row["problem"]
        assert str(tmp_path / KEY_FILE) in row["problem"]
        assert again.providers.row("open")["problem"] is None
        row = await again.providers.add_key("cloud", "a-new-secret-key", "new", by="ann")
        assert row["problem"] is None
        assert [key.label for key in again.providers.live.provider("cloud").keys] == ["new"]


async def test_a_changed_master_key_takes_the_old_secrets_along(tmp_path: Path, location: Location) -> None:
    old, new = "aa" * 32, "bb" * 32
    async with desk(tmp_path, location, master_key=old) as made:
        await made.add("cloud", **quiet())
        await made.providers.add_key("cloud", SECRET, None, by="ann")
    async with desk(tmp_path, location, master_key=f"{new} {old}"):
        pass
    async with desk(tmp_path, location, master_key=new) as again:
        assert again.providers.live.provider("cloud").keys[0].value == SECRET


async def test_a_provider_without_its_key_says_so_and_one_behind_an_own_gateway_needs_none(made: Desk) -> None:
    row = await made.providers.save("cloud", 0, {"kind": "anthropic", "discover": False}, by="ann")
    assert row["problem"] == "Anthropic wants a key; add one."
    with pytest.raises(Unavailable, match="wants a key"):
        made.providers.live.provider("cloud")
    row = await made.providers.save("cloud", 1, {"baseUrl": "http://10.0.0.1:4000"}, by="ann")
    assert row["problem"] is None
    row = await made.providers.save("cloud", 2, {"enabled": False}, by="ann")
    with pytest.raises(Unavailable, match="switched off"):
        made.providers.live.provider("cloud")
