"""What a hub says before anything comes: its lists, its names and its refusals, and who gets the token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corral.kit.errors import Forbidden, InvalidRequest, NotFound, Unavailable, UpstreamFailed
from corral.models.downloads import Hub
from tests.support.downloads import FILE, MIB, REPO, ended, left_over, model, room
from tests.support.hub import FakeHub, fake_hub


async def test_split_models_and_projectors_come_together(tmp_path: Path, hub: FakeHub) -> None:
    for name in ("big-Q4_K_M-00001-of-00002.gguf", "big-Q4_K_M-00002-of-00002.gguf", "big-Q8_0-00001-of-00002.gguf"):
        hub.put(f"{REPO}/{name}", model(MIB))
    hub.put(f"{REPO}/mmproj-F16.gguf", model(MIB // 2))
    hub.put(f"{REPO}/mmproj-F32.gguf", model(MIB))
    hub.put(f"{REPO}/imatrix.gguf", model(MIB))
    hub.put(f"{REPO}/README.md", b"# Big")
    async with room(tmp_path, hub) as here:
        look = await here.downloads.look(f"https://huggingface.co/{REPO}/tree/main")
        assert [choice["quant"] for choice in look["choices"]] == ["Q4_K_M"]
        assert look["choices"][0]["recommended"] is True
        assert look["choices"][0]["fit"] == {"verdict": "fits", "header": True}
        assert look["licence"] == "apache-2.0"
        one = await ended(here, (await here.downloads.begin(REPO))["id"])
        assert one["state"] == "done"
        assert [name.split("/")[1] for name in left_over(here)] == [
            "big-Q4_K_M-00001-of-00002.gguf", "big-Q4_K_M-00002-of-00002.gguf", "mmproj-F16.gguf",
        ]  # fmt: skip
        assert one["model"] == "big-Q4_K_M-00001-of-00002"


async def test_the_token_goes_to_the_hub_alone(tmp_path: Path, hub: FakeHub) -> None:
    hub.put(f"{REPO}/{FILE}", model())
    with fake_hub(hub.folder) as other:
        hub.act(redirect=f"http://localhost:{other.port}")
        with Hub(hub.url, "secret").open(REPO, "main", FILE) as stream:
            assert sum(map(len, stream.pieces)) == stream.total
        assert hub.seen()[0]["authorization"] == "Bearer secret"
        assert [seen["authorization"] for seen in other.seen()] == [None]


@pytest.mark.parametrize(
    ("repo", "how", "error", "words"),
    [
        ("nobody/nothing", {}, NotFound, "no nobody/nothing"),
        (REPO, {"broken": {"siblings": "x"}}, UpstreamFailed, "hub"),
        (REPO, {"broken": [1]}, UpstreamFailed, "not a hub"),
        (REPO, {"broken": {"id": REPO, "sha": "../../x", "siblings": []}}, UpstreamFailed, "which commit"),
        ("no such name", {}, InvalidRequest, "owner/name"),
        ("a/../../b", {}, InvalidRequest, "owner/name"),
    ],
)
async def test_what_cannot_be_looked_at_says_why(
    tmp_path: Path, hub: FakeHub, repo: str, how: dict[str, Any], error: type[Exception], words: str
) -> None:
    hub.put(f"{REPO}/{FILE}", model())
    async with room(tmp_path, hub) as here:
        hub.act(**how)
        with pytest.raises(error, match=words):
            await here.downloads.look(repo)


async def test_gated_and_missing_revisions_and_a_hub_that_is_away(tmp_path: Path, hub: FakeHub) -> None:
    hub.put(f"{REPO}/{FILE}", model())
    hub.act(gated=True)
    with pytest.raises(Forbidden, match="hub_token"), Hub(hub.url).open(REPO, "main", FILE):
        pass
    with pytest.raises(NotFound, match="revision"):
        Hub(hub.url).look(REPO, "nope")
    with pytest.raises(Unavailable, match="cannot be reached"):
        Hub("http://127.0.0.1:9").look(REPO)


async def test_names_from_the_hub_never_lead_out_of_the_folder(tmp_path: Path, hub: FakeHub) -> None:
    hub.put(f"{REPO}/{FILE}", model(MIB))
    evil = ["../../evil.gguf", "/etc/evil.gguf", "a\\..\\evil.gguf", ".hidden.gguf", "a/../../b.gguf", "new\nline.gguf"]
    hub.act(siblings=[{"rfilename": name, "size": 10} for name in evil])
    async with room(tmp_path, hub) as here:
        look = await here.downloads.look(REPO)
        assert [choice["files"] for choice in look["choices"]] == [[FILE]]
        with pytest.raises(NotFound):
            await here.downloads.begin(REPO, files=[evil[0]])
