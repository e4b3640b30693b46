"""From a repository's files to ways of getting a model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.cli.pulling import line
from corral.kit.errors import CorralError, InvalidRequest, NotFound
from corral.models.downloads.choices import best_of, choices, chosen, is_model, repository_name
from corral.models.downloads.types import Choice, Download, HubFile, Repository, State


def repository(*files: tuple[str, int]) -> Repository:
    return Repository("a/b", "0" * 40, tuple(HubFile(name, size) for name, size in files))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("owner/name", ("owner/name", None)),
        (" owner/name:Q4_K_M ", ("owner/name", "Q4_K_M")),
        ("https://huggingface.co/owner/name-GGUF", ("owner/name-GGUF", None)),
        ("https://huggingface.co/owner/name/tree/main", ("owner/name", None)),
        ("https://huggingface.co/owner/name/blob/main/x.gguf", ("owner/name", None)),
        ("hf.co/owner/name.v1_2:Q8_0", ("owner/name.v1_2", "Q8_0")),
    ],
)
def test_names_of_repositories_are_read_as_people_write_them(text: str, expected: tuple[str, str | None]) -> None:
    assert repository_name(text) == expected


@pytest.mark.parametrize("text", ["", "name", "/name", "a//b", "../x", "a/..", "a/b/c", "a b/c", "-a/b", "ftp://a/b/c"])
def test_what_is_no_repository_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        repository_name(text)


def test_files_are_grouped_by_their_quantisation() -> None:
    found = choices(
        repository(
            ("m-Q4_K_M.gguf", 40), ("m-Q8_0.gguf", 80), ("m.IQ2_XXS.gguf", 20), ("m-UD-Q3_K_XL.gguf", 30), ("m-f16.gguf", 160),
            ("BF16/m-BF16-00002-of-00002.gguf", 90), ("BF16/m-BF16-00001-of-00002.gguf", 90), ("m-imatrix.gguf", 1),
            ("Q6_K/m-00001-of-00003.gguf", 1), ("README.md", 5), ("mmproj-m-Q8_0.gguf", 4), ("mmproj-m-bf16.gguf", 7),
        )
    )  # fmt: skip
    assert [(choice.quant, choice.size) for choice in found] == [
        ("IQ2_XXS", 27), ("UD-Q3_K_XL", 37), ("Q4_K_M", 47), ("Q8_0", 87), ("F16", 167), ("BF16", 187),
    ]  # fmt: skip
    assert [file.name for file in found[-1].files] == [
        "BF16/m-BF16-00001-of-00002.gguf", "BF16/m-BF16-00002-of-00002.gguf", "mmproj-m-bf16.gguf",
    ]  # fmt: skip


def test_several_models_of_one_quantisation_keep_their_names() -> None:
    found = choices(repository(("small-Q8_0.gguf", 1), ("large-Q8_0.gguf", 2), ("plain.gguf", 3)))
    assert [choice.quant for choice in found] == ["small-Q8_0", "large-Q8_0", "plain"]


def test_a_choice_is_made_by_files_quantisation_or_fit() -> None:
    found = choices(repository(("m-Q4_K_M.gguf", 40), ("m-Q4_K_S.gguf", 30), ("m-Q8_0.gguf", 80)))
    assert chosen(found, "q4_k_m", None, None).size == 40
    assert chosen(found, "Q8", None, None).size == 80
    assert chosen(found, None, ["m-Q8_0.gguf"], None).quant == "Q8_0"
    assert chosen(found, None, ["m-Q8_0.gguf", "m-Q4_K_S.gguf"], None).size == 110
    assert chosen(found, None, None, "Q4_K_S").size == 30
    with pytest.raises(InvalidRequest, match="more than one"):
        chosen(found, "Q4", None, None)
    with pytest.raises(InvalidRequest, match="There are Q4_K_S, Q4_K_M, Q8_0"):
        chosen(found, "Q2", None, None)
    with pytest.raises(NotFound):
        chosen(found, None, ["other.gguf"], None)
    with pytest.raises(NotFound):
        chosen([], None, None, None)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ({"Q4_K_M": "fits", "Q8_0": "fits", "F16": "fits"}, "Q8_0"),
        ({"Q4_K_M": "fits", "Q8_0": "tight", "F16": "no"}, "Q4_K_M"),
        ({"Q4_K_M": "tight", "Q8_0": "tight", "F16": "no"}, "Q4_K_M"),
        ({"F16": "fits"}, "F16"),
        ({"Q4_K_M": "no"}, None),
        ({}, None),
    ],
)
def test_the_best_is_the_largest_that_fits(verdicts: dict[str, str], expected: str | None) -> None:
    sizes = {"Q4_K_M": 4, "Q8_0": 8, "F16": 16}
    found = [(Choice(name, (HubFile(f"{name}.gguf", sizes[name]),)), verdict) for name, verdict in verdicts.items()]
    assert best_of(found) == expected


@given(st.text(max_size=300))
def test_any_name_is_safe_or_refused(name: str) -> None:
    try:
        repo, _ = repository_name(name)
        assert ".." not in repo and repo.count("/") == 1
    except CorralError:
        pass
    if is_model(name):
        assert not name.startswith(("/", ".")) and ".." not in name.split("/") and "\\" not in name


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"done": 50, "rate": 10.0, "state": State.RUNNING}, "Q8_0  ███████████████░░░░░░░░░░░░░░░   50%  50 B of 100 B  10 B/s  0:05 left"),
        ({"done": 0, "state": State.QUEUED}, "Q8_0  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░    0%  0 B of 100 B  queued"),
        ({"done": 100, "rate": 9.0, "state": State.CHECKING}, "Q8_0  ██████████████████████████████  100%  100 B of 100 B  checking"),
    ],
)  # fmt: skip
def test_the_bar_of_the_command_line(facts: dict[str, Any], expected: str) -> None:
    one = Download("dl_1", "a/b", "0", (HubFile("m.gguf", 100),), "a_b", "", "Q8_0", **facts)
    assert line(one.as_dict()) == expected
