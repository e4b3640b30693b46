"""Options that change what an engine does: adapters, drafting, images, vectors, grammars, templates, memory."""

from __future__ import annotations

import base64
import json
import math
import os
import re
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import psutil
import pytest
from tools import scripted_model

from corral.kit.errors import EngineFailed
from tests.support import tiny_models
from tests.support.option_engines import Running, running
from tests.support.waiting import eventually

KINDS = pytest.mark.parametrize("kind", ["embedded", "llama_server"])
THINKING = (
    "{%- for message in messages -%}{{- '<|im_start|>' + message.role + '\\n' -}}"
    "{%- if message.role == 'assistant' and message.reasoning_content -%}"
    "{{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n' -}}{%- endif -%}{{- message.content + '<|im_end|>\\n' -}}"
    "{%- endfor -%}{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
"""The template of a model that thinks before it answers."""
SHOWING = "think={{ enable_thinking }} effort={{ reasoning_effort }} keep={{ preserve_reasoning }} house={{ house }} {{ messages[0].content }}"


@pytest.fixture
def model(tmp_path: Path, scripted_model: Path) -> Path:
    """The scripted model in a folder of its own, where further files can lie beside it."""
    folder = tmp_path / "models"
    folder.mkdir()
    return Path(shutil.copy(scripted_model, folder / "model.gguf"))


def picture(width: int, height: int) -> str:
    """A red picture as a data URL."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\xff\0\0" * width for _ in range(height))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    png += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(png).decode()


async def rendered(engine: Running, *messages: dict[str, str]) -> str:
    """What the template makes of messages."""
    status, found = await engine.ask("/apply-template", {"messages": list(messages)})
    assert status == 200, found
    return str(found["prompt"])


async def vector(engine: Running, text: str) -> list[float]:
    """An embedding."""
    status, found = await engine.ask("/v1/embeddings", {"input": text})
    assert status == 200, found
    return [float(one) for one in found["data"][0]["embedding"]]


@KINDS
async def test_adapters_change_answers_by_their_strength(kind: str, tmp_path: Path, model: Path) -> None:
    tiny_models.adapter(model.parent / "loud.gguf")
    tiny_models.adapter(model.parent / "other.gguf")
    options = {"lora": ["loud.gguf", str(model.parent / "other.gguf")], "lora_scales": [1.0, 0.25]}
    async with running(tmp_path, model, options, kind) as engine:
        _, adapters = await engine.ask("/lora-adapters")
        assert [(Path(one["path"]).name, one["scale"]) for one in adapters] == [("loud.gguf", 1), ("other.gguf", 0.25)]
        assert set((await engine.chat("ping"))["content"]) == {"Z"}
        off = [{"id": 0, "scale": 0}, {"id": 1, "scale": 0}]
        assert (await engine.chat("ping", lora=off))["content"] == "pong"


@KINDS
async def test_an_adapter_can_wait_to_be_applied(kind: str, tmp_path: Path, model: Path) -> None:
    tiny_models.adapter(model.parent / "loud.gguf")
    async with running(tmp_path, model, {"lora": ["loud.gguf"], "lora_init_without_apply": True}, kind) as engine:
        assert (await engine.chat("ping"))["content"] == "pong"
        await engine.ask("/lora-adapters", [{"id": 0, "scale": 1.0}])
        assert set((await engine.chat("ping"))["content"]) == {"Z"}


@KINDS
async def test_a_draft_model_drafts_what_is_then_said(kind: str, tmp_path: Path, model: Path) -> None:
    shutil.copy(model, model.parent / "small.gguf")
    options = {"model_draft": "small.gguf", "draft_max": 8, "draft_min": 1, "draft_p_min": 0.0, "draft_threads": 1}
    async with running(tmp_path, model, options, kind) as engine:
        body = {"messages": [{"role": "user", "content": "a long story"}], "temperature": 0, "max_tokens": 60}
        _, found = await engine.ask("/v1/chat/completions", body)
        timings = found["timings"]
        assert timings["draft_n_accepted"] > 20, timings
        slots = (await engine.ask("/slots"))[1]
        assert all(slot["speculative"] for slot in slots)
        drafted = found["choices"][0]["message"]["content"]
    async with running(tmp_path, model, {}, kind) as engine:
        _, found = await engine.ask("/v1/chat/completions", body)
        assert found["choices"][0]["message"]["content"] == drafted
        assert "draft_n" not in found["timings"]


async def test_what_was_written_before_is_drafted_without_a_draft_model(tmp_path: Path, model: Path) -> None:
    options = {"spec_type": ["ngram-simple"], "ngram_size_n": 3, "ngram_size_m": 6, "ctx_size": 2048, "draft_max": 8}
    async with running(tmp_path, model, options) as engine:
        story = (await engine.chat("a long story", max_tokens=120))["content"]
        _, read = await engine.ask("/tokenize", {"content": story})
        found = await engine.complete([*read["tokens"], *read["tokens"][:10]], n_predict=20, temperature=0)
        assert found["timings"]["draft_n_accepted"] > 0, found["timings"]


@KINDS
async def test_a_projector_lets_the_model_see(kind: str, tmp_path: Path, model: Path) -> None:
    tiny_models.projector(model.parent / "eyes.gguf")
    asked = [{"type": "text", "text": "ping"}, {"type": "image_url", "image_url": {"url": picture(28, 28)}}]
    options: dict[str, Any] = {"mmproj": "eyes.gguf", "mmproj_offload": False, "mtmd_batch_max_tokens": 64}
    async with running(tmp_path, model, options, kind) as engine:
        assert (await engine.props())["modalities"]["vision"] is True
        assert (await engine.chat(asked))["content"] == "pong"
    async with running(tmp_path, model, {**options, "mmproj_auto": False}, kind) as engine:
        assert (await engine.props())["modalities"]["vision"] is False
        body = {"messages": [{"role": "user", "content": asked}]}
        assert (await engine.ask("/v1/chat/completions", body))[0] >= 400


@KINDS
async def test_answers_follow_a_grammar_or_a_schema_that_was_set(kind: str, tmp_path: Path, model: Path) -> None:
    async with running(tmp_path, model, {"grammar": 'root ::= "no" | "never"'}, kind) as engine:
        assert (await engine.chat("ping"))["content"] in ("no", "never")
    schema = {"type": "object", "properties": {"city": {"enum": ["Paris"]}}, "required": ["city"]}
    async with running(tmp_path, model, {"json_schema": schema}, kind) as engine:
        # llama-server wants the end of the prompt to fit the schema of a chat too, so it is asked without one.
        said = await engine.chat("ping") if kind == "embedded" else await engine.complete("ping", n_predict=24)
        assert json.loads(said["content"]) == {"city": "Paris"}


@KINDS
async def test_a_chat_model_makes_vectors_when_told_to(kind: str, tmp_path: Path, model: Path) -> None:
    found = {}
    for pooling in ("mean", "last", "cls"):
        async with running(tmp_path, model, {"embeddings": True, "pooling": pooling}, kind) as engine:
            found[pooling] = await vector(engine, "one two three")
            assert math.hypot(*found[pooling]) == pytest.approx(1, abs=1e-3)
    assert len({tuple(one) for one in found.values()}) == 3
    async with running(tmp_path, model, {"embeddings": True, "pooling": "none"}, kind) as engine:
        _, each = await engine.ask("/embedding", {"content": "one two three"})
        assert len(each[0]["embedding"]) > 1
    async with running(tmp_path, model, {"embeddings": True, "pooling": "mean", "embd_normalize": -1}, kind) as engine:
        _, raw = await engine.ask("/embedding", {"content": "one two three"})
        assert len(raw[0]["embedding"]) == 1


@KINDS
async def test_documents_are_ranked_only_where_it_was_set(kind: str, tmp_path: Path, model: Path) -> None:
    body = {"query": "hello", "documents": ["ping", "a story", "hello"]}
    async with running(tmp_path, model, {"reranking": True}, kind) as engine:
        status, found = await engine.ask("/v1/rerank", body)
        assert status == 200
        assert sorted(one["index"] for one in found["results"]) == [0, 1, 2]
    async with running(tmp_path, model, {}, kind) as engine:
        assert (await engine.ask("/v1/rerank", body))[0] == 501


async def test_an_embedding_model_needs_no_options_and_can_be_told_otherwise(tmp_path: Path) -> None:
    file = tiny_models.embedder(tmp_path / "embed.gguf")
    async with running(tmp_path, file, {"embeddings": True}) as engine:
        assert len(await vector(engine, "one two three")) == scripted_model.WIDTH


@KINDS
async def test_the_template_gets_its_values(kind: str, tmp_path: Path, model: Path) -> None:
    options = {
        "chat_template": SHOWING, "chat_template_kwargs": {"house": 'a "red" one'}, "reasoning": "off",
        "reasoning_effort": "high", "reasoning_preserve": False,
    }  # fmt: skip
    async with running(tmp_path, model, options, kind) as engine:
        assert (await engine.props())["chat_template"] == SHOWING
        text = await rendered(engine, {"role": "user", "content": "hi"})
    assert text.lower() == 'think=false effort=high keep=false house=a "red" one hi'


@KINDS
async def test_a_well_known_template_needs_no_jinja(kind: str, tmp_path: Path, model: Path) -> None:
    async with running(tmp_path, model, {"jinja": False, "chat_template": "llama3"}, kind) as engine:
        text = await rendered(engine, {"role": "user", "content": "hi"})
    assert "<|start_header_id|>user" in text


@KINDS
async def test_a_last_message_of_the_assistant_is_always_continued(kind: str, tmp_path: Path, model: Path) -> None:
    # Answers that broke off go on this way, so it is not for anyone to turn off.
    told = [{"role": "user", "content": "ping"}, {"role": "assistant", "content": "po"}]
    async with running(tmp_path, model, {}, kind) as engine:
        assert (await rendered(engine, *told)).endswith("po")


async def test_thoughts_and_calls_are_told_apart_or_left_in(tmp_path: Path, model: Path) -> None:
    tools = [
        {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
    ]
    async with running(tmp_path, model, {}) as engine:
        assert (await engine.chat("weather", tools=tools, max_tokens=60)).get("tool_calls")
    async with running(tmp_path, model, {"skip_chat_parsing": True}) as engine:
        said = await engine.chat("weather", tools=tools, max_tokens=60)
        assert "tool_calls" not in said
        assert "get_weather" in said["content"]


@pytest.mark.parametrize(("form", "thought"), [("deepseek", "why\n"), ("none", None)])
async def test_thoughts_go_where_they_were_told(form: str, thought: str | None, tmp_path: Path, model: Path) -> None:
    spoken = 'root ::= "<think>\\nwhy\\n</think>\\nso"'
    async with running(
        tmp_path, model, {"chat_template": THINKING, "reasoning_format": form, "grammar": spoken}
    ) as engine:
        said = await engine.chat("ping")
    assert said.get("reasoning_content") == thought
    assert said["content"] == ("so" if thought else "<think>\nwhy\n</think>\nso")


@KINDS
async def test_thinking_has_its_budget(kind: str, tmp_path: Path, model: Path) -> None:
    options = {"chat_template": THINKING, "verbosity": 5}
    budget = {"reasoning_budget": 3, "reasoning_budget_message": "That is enough."}
    endings = []
    for more in ({"reasoning_budget": 3}, budget):
        async with running(tmp_path, model, {**options, **more}, kind) as engine:
            await engine.chat("ping")
            found = await engine.said(r"reasoning budget: tokens=3,.* forced=(\d+)")
            endings.append(int(found.group(1)))
    assert endings[0] < endings[1]


@KINDS
@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (
            {"model_draft": "model.gguf", "draft_max": 8, "draft_min": 1, "draft_p_min": 0.25, "draft_gpu_layers": 0,
             "draft_cache_type_k": "q8_0", "draft_cache_type_v": "q5_1"},
            ["n_max=8, n_min=1, p_min=0.25", "gpu_layers=0, cache_k=q8_0, cache_v=q5_1"],
        ),
        (
            {"spec_type": ["ngram-mod", "ngram-map-k"], "ngram_mod_match": 20, "ngram_mod_min": 5, "ngram_mod_max": 30},
            ["n_match=20, n_max=30, n_min=5", "'ngram-map-k'"],
        ),
        ({"spec_type": ["ngram-simple"], "ngram_size_n": 5, "ngram_size_m": 9}, ["size_n=5, size_m=9"]),
        ({"fit_target": 2048}, [">= 2048 MiB"]),
        ({"backend_sampling": True}, ["setting backend sampler for seq_id 0"]),
        (
            {"rope_scaling": "yarn", "rope_freq_scale": 0.25, "yarn_orig_ctx": 512},
            ["n_ctx_train adjusted to 2048"],
        ),
    ],
    ids=["draft", "ngram-mod", "ngram-simple", "fit", "sampling", "yarn"],
)  # fmt: skip
async def test_the_log_shows_what_was_set(
    options: dict[str, Any], lines: list[str], kind: str, tmp_path: Path, model: Path
) -> None:
    async with running(tmp_path, model, {**options, "verbosity": 5}, kind) as engine:
        for line in lines:
            await engine.said(re.escape(line))


@KINDS
async def test_fitting_can_be_turned_off(kind: str, tmp_path: Path, model: Path) -> None:
    for value in ("on", "off"):
        async with running(tmp_path, model, {"fit": value, "verbosity": 5}, kind) as engine:
            await engine.said("model loaded")
            assert ("fitting params" in engine.log()) is (value == "on")


@KINDS
async def test_an_idle_engine_sleeps_and_wakes(kind: str, tmp_path: Path, model: Path) -> None:
    async with running(tmp_path, model, {"sleep_idle_seconds": 1}, kind) as engine:

        async def sleeps() -> bool:
            return bool((await engine.props()).get("is_sleeping"))

        await eventually(sleeps)
        assert (await engine.chat("ping"))["content"] == "pong"


async def test_a_context_that_is_full_shifts_or_ends(tmp_path: Path, model: Path) -> None:
    long = {"n_predict": 300, "ignore_eos": True}
    for value, more in ((True, True), (False, False)):
        async with running(tmp_path, model, {"ctx_size": 128, "parallel": 1, "context_shift": value}) as engine:
            room = (await engine.props())["default_generation_settings"]["n_ctx"]
            found = await engine.complete("ping", **long)
            assert (found["tokens_predicted"] > room) is more


async def test_a_prompt_is_reused_or_read_again(tmp_path: Path, model: Path) -> None:
    prompt = "one two three four five six seven eight nine ten " * 8
    for value in (True, False):
        async with running(tmp_path, model, {"cache_prompt": value, "parallel": 1}) as engine:
            await engine.complete(prompt, n_predict=1)
            again = await engine.complete(prompt, n_predict=1)
            assert (again["timings"]["cache_n"] > 20) is value
    async with running(tmp_path, model, {"cache_reuse": 8, "parallel": 1, "slot_prompt_similarity": 0.02}) as engine:
        await engine.complete("other words begin " + prompt, n_predict=1)
        moved = await engine.complete("begin " + prompt, n_predict=1)
        assert moved["timings"]["cache_n"] > 20


async def test_a_slot_is_chosen_by_what_it_knows(tmp_path: Path, model: Path) -> None:
    async with running(tmp_path, model, {"slot_prompt_similarity": 0.4}) as engine:
        for _ in range(2):
            await engine.complete("one two three four five", n_predict=1)
        await engine.said("0.400 thold")


async def test_special_tokens_are_shown_when_asked_for(tmp_path: Path, model: Path) -> None:
    async with running(tmp_path, model, {"special": True}) as engine:
        assert "<|im_end|>" in (await engine.chat("ping"))["content"]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="threads cannot be asked for their cores here")
@pytest.mark.parametrize(
    ("options", "cores"),
    [({"cpu_range": [0, 0]}, [{0}]), ({"cpu_range": [0, 1], "cpu_strict": True}, [{0}, {1}])],
)
async def test_threads_stay_on_their_cores(
    options: dict[str, Any], cores: list[set[int]], tmp_path: Path, model: Path
) -> None:
    if not {core for one in cores for core in one} <= os.sched_getaffinity(0):
        pytest.skip("this machine has other cores")
    async with running(tmp_path, model, {**options, "threads": 2}) as engine:
        await engine.complete(n_predict=2)
        threads = [os.sched_getaffinity(one.id) for one in psutil.Process(engine.pid).threads()]
    assert all(core in threads for core in cores), threads


async def test_a_control_vector_steers_a_llama_server(tmp_path: Path) -> None:
    file = tmp_path / "deep.gguf"
    scripted_model.write(file, layers=3)
    tiny_models.control_vector(tmp_path / "steer.gguf")
    for options, steered in (({}, False), ({"control_vectors": ["steer.gguf"], "control_vector_layers": [1, 1]}, True)):
        async with running(tmp_path, file, options, "llama_server") as engine:
            assert ((await engine.chat("ping"))["content"] != "pong") is steered


async def test_a_llama_server_can_be_kept_off_the_gpus(tmp_path: Path, model: Path) -> None:
    async with running(tmp_path, model, {"device": ["none"], "draft_device": ["none"]}, "llama_server") as engine:
        assert (await engine.chat("ping"))["content"] == "pong"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"moe_cache_mib": 2}, "MoE cache requires a GPU backend"),
        ({"override_tensor": ["x=NOWHERE"]}, "(?i)buffer type|bad_option"),
        ({"lora": ["nothing.gguf"]}, "nothing.gguf"),
        ({"model_draft": "nothing.gguf"}, "nothing.gguf"),
        ({"mmproj": "nothing.gguf"}, "nothing.gguf"),
        ({"grammar": "root ::= ("}, "(?i)grammar"),
        ({"override_kv": ["a=bool:true"]}, "overrideKv: needs a llama-server"),
    ],
)
async def test_what_an_engine_cannot_do_is_said(
    options: dict[str, Any], reason: str, tmp_path: Path, model: Path
) -> None:
    with pytest.raises(EngineFailed, match=f"(?s){reason}"):
        async with running(tmp_path, model, options):
            pass


async def test_a_damaged_weight_is_found_when_looked_for(tmp_path: Path) -> None:
    file = tiny_models.damaged(tmp_path / "damaged.gguf")
    async with running(tmp_path, file, {}):
        pass
    with pytest.raises(EngineFailed, match="invalid data"):
        async with running(tmp_path, file, {"check_tensors": True}):
            pass
