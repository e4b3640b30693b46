"""Decisions about configurations, by tables and at random."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.models.configuration.policy import before_and_after, blame, changed, differences, sources, walked_back, wire

LORA = "0.00.017.791 E llama_adapter_lora_init: failed to open '/m/none.gguf': No such file or directory"
LOADING = "0.00.196.799 I common_speculative_init_result: loading draft model '/nowhere/x.gguf'"
DRAFT = "0.00.196.890 E srv    load_model: failed to load draft model, '/nowhere/x.gguf'"
HINT = "0.00.1 E srv          init: init: please consider disabling jinja, or use a custom chat template via --chat-template"
"""It names the flag, but not what is wrong."""
EOF = ["0.00.3 E common_chat_templates_init: error: parser: Parser Error: Unexpected EOF", "...{{...", "   ^",
       "0.00.3 E srv          init: init: chat template parsing error: std::exception", HINT]  # fmt: skip
FILTER = ["0.00.0 E srv          init: init: chat template parsing error: Unable to generate parser for this template:",
          "------------", "While executing FilterExpression at line 1, column 13 in source:", "...{{ messages | no }}...",
          "               ^", "Error: Unknown (built-in) filter 'no' for type Array", HINT]  # fmt: skip
TOKEN = ["0.00.0 E common_chat_templates_init: error: Unexpected token type", HINT, "Error: of something else"]
FLAG = 'error while handling argument "--rope-scaling": no such kind'


@pytest.mark.parametrize(
    ("changes", "lines", "code", "fields"),
    [
        ({"lora": ["none.gguf"], "seed": 1}, ["x", LORA, " E Failed to init server"], "bad_file",
         {"lora": "failed to open '/m/none.gguf': No such file or directory"}),
        ({"model_draft": "/nowhere/x.gguf"}, [LOADING, DRAFT, "more"], "bad_file",
         {"model_draft": "failed to load draft model, '/nowhere/x.gguf'"}),
        ({"model_draft": "/nowhere/x.gguf"}, [LOADING], "killed", {"model_draft": "loading draft model '/nowhere/x.gguf'"}),
        ({"rope_scaling": "yarn", "seed": 1}, [FLAG], "unknown_flag", {"rope_scaling": FLAG}),
        ({"chat_template": "{{", "seed": 1}, EOF, "bad_option", {"chat_template": "Parser Error: Unexpected EOF at ...{{..."}),
        ({"chat_template": "{{ messages | no }}"}, FILTER, "bad_option",
         {"chat_template": "line 1, column 13: Unknown (built-in) filter 'no' for type Array at ...{{ messages | no }}..."}),
        ({"chat_template": "{% if x %}"}, TOKEN, "bad_option", {"chat_template": "Unexpected token type"}),
        ({"seed": 1, "lora": ["none.gguf"]}, EOF, "bad_option", {"seed": "why", "lora": "why"}),
        ({"ctx_size": 9, "seed": 1}, ["nothing"], "out_of_memory", {"ctx_size": "why"}),
        ({"ctx_size": None, "parallel": 3}, [], "killed", {"ctx_size": "why", "parallel": "why"}),
        ({"temperature": 1.0}, [], "out_of_memory", {"temperature": "why"}),
        ({"pinned": True, "yarn_ext_factor": 1.0}, [], "crashed", {"yarn_ext_factor": "why"}),
        ({"pinned": True}, [], "crashed", {"pinned": "why"}),
        # A flag is no word of another: --poll is not in --pollution.
        ({"poll": 3, "ctx_size": 1}, ["E x: --pollution is high"], "out_of_memory", {"ctx_size": "why"}),
    ],
)  # fmt: skip
def test_a_failed_start_is_told_beside_the_fields(
    changes: dict[str, Any], lines: list[str], code: str, fields: dict[str, str]
) -> None:
    assert blame(changes, lines, code, "why") == fields


VALUES = st.dictionaries(
    st.sampled_from(["seed", "ctx_size", "temperature", "lora", "pinned", "chat_template_kwargs"]),
    st.sampled_from([1, 2, 1.0, True, False, ["a"], ["a", "b"], {"x": 1}, "text"]), max_size=6,
)  # fmt: skip


@given(VALUES, VALUES)
def test_a_difference_leads_there_and_back(before: dict[str, Any], after: dict[str, Any]) -> None:
    old, new = before_and_after(before, after)
    assert changed(before, new) == after
    assert changed(after, old) == before
    assert set(differences(before, after)) == set(wire(old)) == set(wire(new))


@given(VALUES, st.lists(VALUES, max_size=6))
def test_walking_back_over_any_changes_finds_the_beginning(first: dict[str, Any], states: list[dict[str, Any]]) -> None:
    steps = [before_and_after(one, two)[0] for one, two in zip([first, *states], states, strict=False)]
    now = states[-1] if states else first
    assert walked_back(now, reversed(steps)) == first


def test_each_value_says_where_it_comes_from() -> None:
    found = sources({"threads": 1, "seed": 2}, {"seed": 3}, {"parallel": 4, "threads": 5})
    assert (found["seed"], found["threads"], found["parallel"], found["top_k"]) == (
        "model",
        "server",
        "settings",
        "default",
    )
