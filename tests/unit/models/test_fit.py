"""The fit analysis without engines: sizes as llama.cpp reports them, verdicts and recommendations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.kit.errors import InvalidRequest
from corral.models.describe import describe
from corral.models.fit import memory
from corral.models.fit.anatomy import Anatomy, Layer, anatomy
from corral.models.fit.files import Base, Body, parts, plan_of, predict, read_body
from corral.models.fit.judging import judge, recommend
from corral.models.fit.machine import look
from corral.models.fit.types import Device, Machine, Plan, Verdict
from corral.models.gguf import GgufError, read_header
from corral.models.options.values import find
from tests.support import gguf_files

MIB = 2**20
GIB = 2**30


def made(**facts: Any) -> Anatomy:
    """A model of 32 layers of 100 MiB; facts change it."""
    layer = Layer(100 * MIB, 0, 0, 1024, 1024, False, 0)
    plain = Anatomy(
        architecture="llama", layers=(layer,) * 32, embedding_weights=500 * MIB, output_weights=500 * MIB, other_weights=0,
        output_repacked=0, largest_repacked=0, mapped=0, unknown=(), width=4096, query=4096, key=1024, heads=32,
        feed_forward=14336, inner=0, used_experts=1, experts=0, window=0, vocabulary=128256, merges=280_000, trained=131_072,
        tensors=291, work=0, embeds=False, encoder=False,
    )  # fmt: skip
    return replace(plain, **facts)


def sized(width: int, query: int, key: int, inner: int, words: int, **facts: Any) -> Anatomy:
    layer = Layer(MIB, 0, 0, key, key, False, 0)
    given = {"layers": (layer,) * 2, **facts}
    return made(width=width, query=query, key=key, feed_forward=inner, vocabulary=words, **given)


LLAMA_1B = sized(2048, 2048, 512, 8192, 128_256)
LLAMA_8B = sized(4096, 4096, 1024, 14_336, 128_256)
LLAMA2_7B = sized(4096, 4096, 4096, 11_008, 32_000)
QWEN2_7B = sized(3584, 3584, 512, 18_944, 152_064, heads=28)
QWEN3_06B = sized(1024, 2048, 1024, 3072, 151_936, heads=16)
QWEN3_30B = sized(2048, 4096, 512, 8 * 768, 151_936, experts=128, used_experts=8)
MIXTRAL = sized(4096, 4096, 1024, 2 * 14_336, 32_000, experts=8, used_experts=2)
WINDOWED = Layer(MIB, 0, 0, 1024, 1024, True, 0)
WHOLE = replace(WINDOWED, windowed=False)
GEMMA_4B = sized(2560, 2048, 1024, 10_240, 262_208, heads=8, window=1024, layers=(WINDOWED, WHOLE))

# What llama.cpp (xllamacpp 2026.10) says it reserves for models of these sizes, in MiB.
RESERVED = [
    (LLAMA_1B, Plan(4096), 72), (LLAMA_1B, Plan(4096, 4), 72), (LLAMA_1B, Plan(32768, ubatch_size=256), 50),
    (LLAMA_1B, Plan(4096, embeddings=True), 274), (LLAMA_8B, Plan(4096), 128), (LLAMA_8B, Plan(4096, flash_attn=False), 316),
    (LLAMA_8B, Plan(32768, ubatch_size=256), 78), (LLAMA2_7B, Plan(4096), 108), (LLAMA2_7B, Plan(4096, flash_attn=False), 328),
    (QWEN2_7B, Plan(4096), 150), (QWEN2_7B, Plan(4096, flash_attn=False), 276), (QWEN3_06B, Plan(4096), 32),
    (QWEN3_06B, Plan(4096, flash_attn=False), 158), (QWEN3_06B, Plan(4096, embeddings=True), 312), (QWEN3_30B, Plan(4096), 92),
    (QWEN3_30B, Plan(32768, ubatch_size=256), 60), (MIXTRAL, Plan(4096), 212), (GEMMA_4B, Plan(4096), 90),
    (GEMMA_4B, Plan(32768, ubatch_size=256), 59), (GEMMA_4B, Plan(4096, flash_attn=False), 112),
]  # fmt: skip


@pytest.mark.parametrize(("model", "plan", "reserved"), RESERVED)
def test_the_compute_buffer_is_what_llama_cpp_reserves(model: Anatomy, plan: Plan, reserved: int) -> None:
    assert memory.compute_buffer(model, plan) / MIB == pytest.approx(reserved, rel=0.031, abs=1)


def test_the_cache_grows_in_steps_by_slots_types_and_windows() -> None:
    llama = made()
    full = 32 * 4096 * 2048 * 2
    assert memory.predict(llama, Plan(4096)).parts.kv == full
    assert memory.predict(llama, Plan(4000)).parts.kv == full
    assert memory.predict(llama, Plan(4096, 3)).parts.kv == 3 * full
    assert memory.predict(llama, Plan(100, 8, kv_unified=True)).parts.kv == full // 4
    assert memory.predict(llama, Plan(4096, cache_type_k="q8_0")).parts.kv == full // 2 + full // 2 * 34 // 64
    windowed = made(layers=(replace(llama.layers[0], windowed=True),) * 32, window=512)
    assert memory.predict(windowed, Plan(4096)).parts.kv == full // 4
    assert memory.predict(windowed, Plan(4096, swa_full=True)).parts.kv == full
    state = made(layers=(Layer(MIB, 0, 0, 0, 0, False, 5 * MIB),) * 4)
    assert memory.predict(state, Plan(4096, 3)).parts.kv == 4 * 3 * 5 * MIB


@settings(deadline=None)
@given(
    context=st.integers(128, 200_000), slots=st.integers(1, 32), batch=st.integers(32, 4096), gpu=st.integers(-1, 40),
    devices=st.integers(0, 3), kind=st.sampled_from(sorted(memory.CACHE_TYPES)), flash=st.booleans(), moe=st.integers(0, 40),
)  # fmt: skip
def test_parts_add_up_and_nothing_is_negative(
    context: int, slots: int, batch: int, gpu: int, devices: int, kind: str, flash: bool, moe: int
) -> None:
    plan = Plan(context, slots, batch, batch, flash, kind, kind, gpu_layers=gpu, n_cpu_moe=moe, tensor_split=(1.0, 3.0))
    found = memory.predict(made(experts=8, used_experts=2), plan, devices=devices)
    assert all(part >= 0 for part in found.parts.as_dict().values())
    assert found.total == sum(found.parts.as_dict().values()) == found.host + sum(found.devices)
    assert found.host >= 0
    assert len(found.devices) in (0, devices)
    larger = memory.predict(made(experts=8, used_experts=2), replace(plan, ctx_size=context + 256), devices=devices)
    assert larger.total > found.total


def test_layers_go_to_cards_from_the_last_and_by_their_shares() -> None:
    llama, buffer = made(), memory.compute_buffer(made(), Plan(4096))
    cache = 4096 * 2048 * 2
    some = memory.predict(llama, Plan(4096, gpu_layers=3), devices=1)
    assert some.devices == (500 * MIB + 2 * (100 * MIB + cache) + buffer,)
    assert memory.predict(llama, Plan(4096, gpu_layers=0), devices=1).devices == ()
    all_of_it = memory.predict(llama, Plan(4096), devices=2)
    assert all_of_it.gpu_layers == 33
    assert all_of_it.devices[0] == 17 * (100 * MIB + cache) + buffer
    one = memory.predict(llama, Plan(4096, split_mode="none", main_gpu=1), devices=2)
    assert one.devices[0] == 0
    stays = memory.predict(llama, Plan(4096, gpu_layers=3, kv_offload=False), devices=1)
    assert stays.devices == (500 * MIB + 200 * MIB + buffer,)
    experts = made(layers=(Layer(100 * MIB, 90 * MIB, 0, 1024, 1024, False, 0),) * 4)
    moved = memory.predict(experts, Plan(4096, n_cpu_moe=4), devices=1)
    assert moved.devices == (500 * MIB + 4 * (10 * MIB + cache) + buffer,)


def machine(total: float, available: float, *cards: Device, limit: int | None = None) -> Machine:
    return Machine(int(total * GIB), int(available * GIB), 8, cards, limit)


@pytest.mark.parametrize(
    ("where", "verdict", "words"),
    [
        (machine(32, 20), Verdict.FITS, "can be given now"),
        (machine(32, 3), Verdict.TIGHT, "others have to leave first"),
        (machine(4, 4), Verdict.NO, "this machine can give"),
        (machine(32, 20, limit=2 * GIB), Verdict.NO, "engines may use"),
        (machine(32, 20, Device("CUDA0", 24 * GIB, 23 * GIB)), Verdict.FITS, "can be given now"),
        (machine(32, 20, Device("CUDA0", 24 * GIB, 2 * GIB)), Verdict.TIGHT, "on CUDA0"),
        (machine(32, 20, Device("CUDA0", 4 * GIB, 4 * GIB)), Verdict.NO, "which has 4.3 GB"),
    ],
)
def test_the_verdict_says_why(where: Machine, verdict: Verdict, words: str) -> None:
    report = judge(Body(made()), Plan(4096), where)
    assert report.verdict is verdict
    assert words in report.reason
    assert report.as_dict()["perDevice"]["host"] == report.prediction.host


@pytest.mark.parametrize(
    ("where", "plan", "expected"),
    [
        (machine(64, 60), Plan(4096), {"ctxSize": 32_768, "cacheTypeK": "f16", "parallel": 1}),
        (machine(64, 60), Plan(100_000), {"ctxSize": 100_000}),
        (machine(8, 7.5), Plan(4096), {"ctxSize": 32_768, "cacheTypeK": "q8_0"}),
        (machine(8, 7.5), Plan(32_768, 4), {"ctxSize": 8192, "cacheTypeK": "q8_0", "parallel": 4}),
        (machine(6, 5.5), Plan(4096, 8), {"ctxSize": 1024, "parallel": 8}),
        (machine(4, 4), Plan(4096), {}),
        (machine(32, 28, Device("CUDA0", 24 * GIB, 23 * GIB)), Plan(4096), {"gpuLayers": 33, "ctxSize": 32_768}),
    ],
)
def test_what_is_recommended_fits(where: Machine, plan: Plan, expected: dict[str, Any]) -> None:
    body = Body(made())
    found = recommend(body, plan, where)
    assert {name: found.get(name) for name in expected} == expected
    if found:
        named = {
            option.name: value for name, value in found.items() if (option := find(name)) and hasattr(plan, option.name)
        }
        assert judge(body, replace(plan, **named), where).verdict is not Verdict.NO
    else:
        assert "smaller quantisation" in judge(body, plan, where).reason


def test_a_partly_fitting_card_gets_some_layers() -> None:
    card = Device("CUDA0", 4 * GIB, 3 * GIB)
    found = recommend(Body(made()), Plan(4096), machine(64, 60, card))
    assert 0 < found["gpuLayers"] < 33


def test_files_are_read_once_for_their_parts_and_named_when_they_cannot_be(tmp_path: Path) -> None:
    path = gguf_files.write(tmp_path / "small.gguf")
    model = describe("small", (path,))
    plan = plan_of(model, {"ctx_size": 1000, "batch_size": 64}, Base(4096, 2))
    assert (plan.ctx_size, plan.parallel, plan.batch_size, plan.ubatch_size) == (1000, 2, 64, 64)
    assert plan_of(model, {}, Base(4096, 2)).ctx_size == 2048
    body = read_body(model, {}, plan)
    assert body.anatomy.weights == 4 * (64 * 100 + 64 * 64 + 64)
    assert predict(body, plan, machine(8, 8)).total > memory.RUNTIME
    with pytest.raises(InvalidRequest) as caught:
        read_body(model, {"model_draft": "gone.gguf"}, plan)
    assert caught.value.param == "modelDraft"
    assert caught.value.details is not None and "modelDraft" in caught.value.details["fields"]


def test_the_parts_of_a_split_model_are_found_by_their_names(tmp_path: Path) -> None:
    model = replace(describe("x", (gguf_files.write(tmp_path / "x-00001-of-00003.gguf"),)), parts=3)
    assert [path.name for path in parts(model)] == [f"x-0000{part}-of-00003.gguf" for part in (1, 2, 3)]


@pytest.mark.parametrize(
    "keys", [{"llama__block_count": 0}, {"llama__embedding_length": 0}, {"llama__block_count": 1_000_000}]
)
def test_a_header_that_makes_no_sense_is_refused(tmp_path: Path, keys: dict[str, Any]) -> None:
    with pytest.raises(GgufError):
        anatomy([read_header(gguf_files.write(tmp_path / "bad.gguf", **keys))])


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "head_count", "head_count_kv", "key_length", "value_length", "sliding_window", "sliding_window_pattern",
                "kv_lora_rank", "key_length_mla", "shared_kv_layers", "key_length_swa",
            ]
        ),
        st.one_of(
            st.integers(0, 2**32 - 1), st.floats(0, 1e9, width=32), st.booleans(), st.lists(st.integers(0, 9), min_size=1),
            st.text(max_size=5),
        ),
    )
)  # fmt: skip
def test_any_header_gives_a_report_or_a_reason(tmp_path_factory: pytest.TempPathFactory, odd: dict[str, Any]) -> None:
    keys = {f"gemma3__attention__{name}": value for name, value in odd.items()}
    path = tmp_path_factory.mktemp("odd") / "odd.gguf"
    base = {"general__architecture": "gemma3", "gemma3__block_count": 7, "gemma3__embedding_length": 64}
    found = anatomy([read_header(gguf_files.write(path, **base, **keys))])
    report = judge(Body(found), Plan(2048, 2), machine(16, 12))
    assert report.prediction.total >= 0
    assert report.reason


# Architecture, keys, context, slots, and the MiB that llama.cpp says it takes for keys, values and states.
CACHES: list[tuple[str, dict[str, Any], int, int, float]] = [
    (
        "gpt-oss",
        {"block_count": 4, "attention.head_count": 8, "attention.head_count_kv": 2, "attention.key_length": 64,
         "attention.value_length": 64, "attention.sliding_window": 128},
        4096, 2, 9.5,
    ),
    (
        "mamba",
        {"block_count": 4, "ssm.conv_kernel": 4, "ssm.inner_size": 1024, "ssm.state_size": 16, "ssm.time_step_rank": 32},
        2048, 2, 0.59,
    ),
    (
        "deepseek2",
        {"block_count": 3, "attention.head_count": 8, "attention.head_count_kv": 1, "attention.key_length": 576,
         "attention.value_length": 512, "attention.key_length_mla": 192, "attention.value_length_mla": 128,
         "attention.kv_lora_rank": 512},
        8192, 1, 27.0,
    ),
    (
        "gemma3",
        {"block_count": 6, "attention.head_count": 32, "attention.head_count_kv": 8, "attention.key_length": 128,
         "attention.value_length": 128, "attention.sliding_window": 1024},
        4096, 1, 46.0,
    ),
    (
        "gemma2",
        {"block_count": 6, "attention.head_count": 32, "attention.head_count_kv": 8, "attention.key_length": 128,
         "attention.value_length": 128, "attention.sliding_window": 1024},
        4096, 1, 66.0,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "keys", "context", "slots", "taken"), CACHES, ids=[case[0] for case in CACHES])
def test_caches_and_states_of_architectures_are_what_llama_cpp_takes(
    tmp_path: Path, name: str, keys: dict[str, Any], context: int, slots: int, taken: float
) -> None:
    given = {f"{name}__{key.replace('.', '__')}": value for key, value in {"embedding_length": 512, **keys}.items()}
    path = gguf_files.write(tmp_path / "model.gguf", general__architecture=name, **given)
    found = anatomy([read_header(path)])
    assert memory.predict(found, Plan(context, slots)).parts.kv / MIB == pytest.approx(taken, abs=0.01)
    assert found.restores is (name not in ("deepseek2",))


def test_a_card_of_memory_is_asked_for_only_where_there_is_one() -> None:
    found = look(5 * GIB)
    assert found.total > 0
    assert 0 < found.free <= found.most <= 5 * GIB
    assert found.cores >= 1
