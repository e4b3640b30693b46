"""What every provider does when a service fails: before content it is raised, later the answer never looks whole."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from corral.dialects.form import Text
from corral.dialects.registry import DIALECTS
from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    InvalidRequest,
    ModelNotFound,
    ProviderRefused,
    QuotaExhausted,
    RateLimited,
    Unavailable,
    UpstreamFailed,
    UpstreamOverloaded,
    UpstreamTimeout,
)
from corral.kit.http import HttpPool, TcpAddress, Timeouts
from corral.providers.building import build_provider
from corral.providers.types import Exchange, ProviderSpec
from tests.contract.test_providers import CASES, SECURE
from tests.fakes.providers.story import TEXT
from tests.support.calling import KEY, OTHER_KEY, SHORT, Caller, caller, gathered, question
from tests.support.certificates import make_certificate
from tests.support.providers import FakeProvider, fake_provider
from tests.support.waiting import eventually, within

KINDS = ("openai", "compatible", "anthropic", "gemini", "ollama")
EVERY = [(*case, "http") for case in CASES] + [(*case, "https") for case in SECURE]
MAX_BUFFERED = 24 * 1024 * 1024


@pytest.fixture(scope="module")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], FakeProvider]]:
    """All scripted services, by kind and scheme."""
    certificate = make_certificate(tmp_path_factory.mktemp("certificate"))
    with ExitStack() as stack:
        made = {(kind, "http"): stack.enter_context(fake_provider(kind)) for kind in KINDS}
        for kind, _ in SECURE:
            made[kind, "https"] = stack.enter_context(fake_provider(kind, certificate=certificate))
        yield made


@pytest.fixture(params=EVERY, ids="-".join)
async def one(request: pytest.FixtureRequest, fakes: dict[tuple[str, str], FakeProvider]) -> AsyncIterator[Caller]:
    """Each provider in each of its dialects."""
    kind, dialect, scheme = request.param
    fake = fakes[kind, scheme]
    fake.script()
    async with caller(fake, dialect) as made:
        yield made


async def alone(one: Caller) -> None:
    """Waits until the service is at nothing any more, and no slot of ours is taken."""
    await eventually(lambda: not one.fake.state()["open"], message="the service still works")


REFUSALS: list[tuple[dict[str, Any], type[CorralError]]] = [
    ({"status": 400}, InvalidRequest),
    ({"status": 404}, ModelNotFound),
    ({"status": 429, "retry_after": 7}, RateLimited),
    ({"status": 500}, UpstreamFailed),
    ({"status": 503}, Unavailable),
    ({"status": 529, "retry_after": 3}, UpstreamOverloaded),
    ({"status": 500, "body": "<html>oops</html>"}, UpstreamFailed),
    ({"status": 502, "body": ""}, UpstreamFailed),
    ({"redirect": "http://127.0.0.1:9/elsewhere"}, UpstreamFailed),
    ({"content_type": "text/html"}, UpstreamFailed),
    ({"before": "refuse"}, UpstreamFailed),
    ({"before": "close"}, UpstreamFailed),
    ({"before": "half_head"}, UpstreamFailed),
    ({"before": "garbage"}, UpstreamFailed),
    ({"then": "error"}, CorralError),
    ({"then": "reset"}, UpstreamFailed),
]
AT_ONCE: list[tuple[dict[str, Any], type[CorralError]]] = [
    ({"then": "end"}, UpstreamFailed),
    ({"then": "half"}, UpstreamFailed),
    ({"then": "garbage"}, UpstreamFailed),
    ({"then": "close"}, UpstreamFailed),
    ({"sse": {"long_line": 20_000_000}}, UpstreamFailed),
]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_what_fails_before_content_is_raised(one: Caller, stream: bool) -> None:
    for act, kind in [*REFUSALS, *(AT_ONCE if stream else ())]:
        one.fake.then(act)
        with pytest.raises(kind) as caught:
            await within(one.open(question(stream=stream)))
        error = caught.value
        assert error.details is not None
        assert error.details["provider"] == "up", act
        assert KEY.value not in error.message and KEY.value not in json.dumps(error.details)
        if "retry_after" in act:
            assert error.retry_after == act["retry_after"], act
        if "status" in act:
            assert error.details["provider_status"] == act["status"]
    # None of them keeps anything: the next one goes well.
    assert (await one.ask(question(stream=stream))).choices[0].reason == "stop"
    await alone(one)


async def test_a_key_that_is_not_accepted_is_the_providers_fault_and_not_the_clients(one: Caller) -> None:
    one.fake.script(accept_keys=[OTHER_KEY.value])
    with pytest.raises(ProviderRefused) as caught:
        await one.open(question(stream=True))
    assert caught.value.status == 502 and not caught.value.retryable
    assert (await one.ask(question(), key=OTHER_KEY)).choices
    health = await one.provider.check()
    assert one.provider.kind in ("ollama",) or health.key == "first"


@pytest.mark.parametrize("after", [1, 3])
@pytest.mark.parametrize("how", ["end", "half", "reset", "close", "garbage", "error"])
async def test_a_stream_that_breaks_never_looks_whole(one: Caller, how: str, after: int) -> None:
    one.fake.script({"after": after, "then": how})
    exchange = await one.open(question(stream=True))
    with pytest.raises(CorralError):
        await within(gathered(exchange, one.dialect))
    exchange.abort()
    await alone(one)


async def test_a_stream_without_its_mark_of_the_end_is_whole_only_when_its_answer_is(one: Caller) -> None:
    one.fake.script({"sse": {"done": False}})
    exchange = await one.open(question(stream=True))
    if one.dialect in ("openai_responses", "ollama_chat", "ollama_generate"):
        # What is missing there is the end itself.
        with pytest.raises(UpstreamFailed):
            await gathered(exchange, one.dialect)
    else:
        answer = await gathered(exchange, one.dialect)
        assert (answer.choices[0].parts, answer.choices[0].reason) == ((Text(TEXT),), "stop")


async def test_silence_ends_in_a_timeout_wherever_it_falls(one: Caller) -> None:
    for stream in (True, False):
        for act in ({"before": "silent"}, {"then": "stall"}):
            one.fake.then(act)
            with pytest.raises(UpstreamTimeout):
                await within(one.open(question(stream=stream), timeouts=SHORT))
    one.fake.then({"after": 2, "then": "stall"})
    exchange = await one.open(question(stream=True), timeouts=SHORT)
    with pytest.raises(UpstreamTimeout):
        await within(gathered(exchange, one.dialect))
    await alone(one)


async def test_pings_are_no_content_and_the_callers_deadline_holds(one: Caller) -> None:
    if one.dialect.startswith("ollama"):
        pytest.skip("has no pings")
    one.fake.script({"then": "pings", "pings": 0.05})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.8):
            await one.open(question(stream=True))
    await eventually(lambda: one.fake.seen()[0]["hung_up"])


async def test_an_answer_may_take_only_so_long_in_all(fakes: dict[tuple[str, str], FakeProvider]) -> None:
    for scheme in ("http", "https"):
        fake = fakes["openai", scheme]
        fake.script({"pace": 0.2, "text": "word " * 100})
        async with caller(fake, "openai_chat", total_timeout=1.0) as made:
            exchange = await made.open(question(stream=True))
            with pytest.raises(UpstreamTimeout, match="longer than 1 s"):
                await within(gathered(exchange, "openai_chat"))
            with pytest.raises(UpstreamTimeout):
                fake.script({"first_after": 30})
                await within(made.open(question()))
            await eventually(lambda fake=fake: fake.seen()[0]["hung_up"])  # type: ignore[misc]


async def test_the_service_notices_within_a_second_when_an_answer_is_given_up(one: Caller) -> None:
    # Before the first token, cancelled; whole, cancelled; in the middle, aborted; in the middle, dropped by a cancelled task.
    draining = asyncio.Event()

    async def drain(exchange: Exchange) -> None:
        async for _ in exchange.chunks():
            draining.set()

    for stream in (True, False):
        one.fake.script({"first_after": 60})
        task = asyncio.create_task(one.open(question(stream=stream)))
        await eventually(lambda: one.fake.state()["open"] == 1)
        task.cancel()
        await eventually(lambda: one.fake.seen()[0]["hung_up"], timeout=20)
        with pytest.raises(asyncio.CancelledError):
            await task
    one.fake.script({"after": 2, "then": "stall"})
    exchange = await one.open(question(stream=True))
    exchange.abort()
    exchange.abort()
    await eventually(lambda: one.fake.seen()[0]["hung_up"])
    one.fake.script({"after": 2, "then": "stall"})
    exchange = await one.open(question(stream=True))
    task2 = asyncio.create_task(drain(exchange))
    await within(draining.wait())
    task2.cancel()
    await asyncio.wait([task2])
    await eventually(lambda: one.fake.seen()[0]["hung_up"])


async def test_nothing_is_heaped_up_for_a_reader_that_is_slow(one: Caller) -> None:
    one.fake.script({"flood": 96})
    exchange = await one.open(question(stream=True))
    chunks = exchange.chunks()
    await anext(chunks)
    told = -1

    def settled() -> bool:
        nonlocal told
        before, told = told, one.fake.seen()[0]["told"]
        return bool(told == before)

    await eventually(settled, interval=0.5)
    assert told < MAX_BUFFERED
    exchange.abort()
    await alone(one)


async def test_one_byte_a_time_is_read_and_costs_only_time(one: Caller) -> None:
    one.fake.script({"rate": 4000, "text": "langsam"})
    assert (await within(one.ask(question(stream=True)))).choices[0].reason == "stop"


async def test_a_key_follows_no_redirect(fakes: dict[tuple[str, str], FakeProvider]) -> None:
    other = fakes["compatible", "http"]
    for scheme in ("http", "https"):
        fake = fakes["openai", scheme]
        other.script()
        fake.script({"redirect": other.base_url + "/chat/completions"}, get={"redirect": other.base_url + "/models"})
        async with caller(fake, "openai_chat") as made:
            with pytest.raises(UpstreamFailed, match="redirect"):
                await made.open(question())
            assert not (await made.provider.check()).ok
        assert other.seen() == []


async def test_connections_have_a_limit(fakes: dict[tuple[str, str], FakeProvider]) -> None:
    patience = Timeouts(connect=0.5, head=30.0, idle=30.0)
    for scheme in ("http", "https"):
        fake = fakes["openai", scheme]
        fake.script({"after": 1, "then": "stall"})
        async with caller(fake, "openai_chat", connections=2) as made:
            held = [await made.open(question(stream=True)) for _ in range(2)]
            with pytest.raises(Unavailable, match="connections"):
                await made.open(question(stream=True), timeouts=patience)
            held[0].abort()
            (await made.open(question(stream=True))).abort()
            # Neither failures nor cancelled calls keep a connection.
            fake.script({"status": 500})
            for _ in range(5):
                with pytest.raises(UpstreamFailed):
                    await made.open(question(stream=True))
            held[1].abort()
        await eventually(lambda fake=fake: fake.state()["connections"] == 1)  # type: ignore[misc]


async def test_a_certificate_must_be_the_right_one(fakes: dict[tuple[str, str], FakeProvider], tmp_path: Path) -> None:
    fake = fakes["openai", "https"]
    fake.script()
    async with caller(fake, "openai_chat", context=ssl.create_default_context()) as made:
        with pytest.raises(UpstreamFailed, match="certificate"):
            await made.open(question())
    certificate = make_certificate(tmp_path, "other.example")
    with fake_provider("openai", certificate=certificate) as stranger:
        async with caller(
            stranger, "openai_chat", context=ssl.create_default_context(cafile=certificate.authority)
        ) as made:
            with pytest.raises(UpstreamFailed, match="certificate"):
                await made.open(question())
        assert stranger.seen() == []
    assert fake.seen() == []


async def test_nobody_at_home(fakes: dict[tuple[str, str], FakeProvider]) -> None:
    for scheme in ("http", "https"):
        fake = fakes["openai", scheme]
        async with caller(fake, "openai_chat", base_url=f"{scheme}://127.0.0.1:9/v1") as made:
            with pytest.raises(UpstreamFailed, match="cannot be reached"):
                await made.open(question())
            health = await made.provider.check()
            assert (health.ok, health.code) == (False, "upstream_failed")


@pytest.mark.parametrize(
    "address",
    ["http://169.254.169.254/v1", "http://[fe80::1]/v1", "http://[::ffff:169.254.169.254]", "ftp://x/", "http://a:b@c/", "file:///x",
     "http://metadata.google.internal/", "http://0xa9fea9fe/", "https://100.100.100.200/"],
)  # fmt: skip
def test_addresses_that_may_not_be_called(address: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        build_provider(ProviderSpec("up", "openai", address, (KEY,)))
    assert caught.value.param == "base_url"


async def test_a_name_that_leads_to_a_forbidden_address_gets_nothing(
    fakes: dict[tuple[str, str], FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Loopback plays the forbidden address, since nobody may send to a real one.
    def refusal(address: str) -> str | None:
        return "is a link-local or metadata address" if address in ("127.0.0.1", "::1") else None

    fake = fakes["openai", "http"]
    fake.script()
    pool = HttpPool(TcpAddress("localhost", fake.port), refuse=refusal)
    with pytest.raises(UpstreamFailed, match="link-local"):
        await pool.request(b"GET", b"/v1/models")
    pool.close()
    monkeypatch.setattr("corral.providers.secure.refusal", refusal)
    secure = fakes["openai", "https"]
    secure.script()
    async with caller(secure, "openai_chat", base_url=f"https://localhost:{secure.port}/v1") as made:
        with pytest.raises(UpstreamFailed, match=r"cannot be reached.*link-local"):
            await made.open(question())
    assert fake.seen() == [] and secure.seen() == []


TOO_LONG: list[tuple[str, dict[str, Any]]] = [
    ("openai", {"code": "context_length_exceeded", "message": "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. Please reduce the length of the messages."}),
    ("compatible", {"message": "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (8900 in the messages, 100 in the completion)."}),
    ("anthropic", {"message": "prompt is too long: 9000 tokens > 8192 maximum"}),
    ("gemini", {"message": "The input token count (9000) exceeds the maximum number of tokens allowed (8192)."}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "act"), TOO_LONG)
async def test_a_prompt_that_is_too_long_is_told_with_both_numbers(
    fakes: dict[tuple[str, str], FakeProvider], kind: str, act: dict[str, Any]
) -> None:
    fake = fakes[kind, "http"]
    fake.script({"status": 400, **act})
    dialect = next(dialect for known, dialect in CASES if known == kind)
    async with caller(fake, dialect) as made:
        with pytest.raises(ContextExceeded) as caught:
            await made.open(question(stream=True))
    details = caught.value.details
    assert details is not None
    assert details["n_ctx"] == 8192 and details["n_prompt_tokens"] in (8900, 9000)


SPENT: list[tuple[str, dict[str, Any]]] = [
    ("openai", {"status": 429, "code": "insufficient_quota"}),
    ("compatible", {"status": 402, "message": "Insufficient credits."}),
    ("anthropic", {"status": 400, "message": "Your credit balance is too low to access the Anthropic API."}),
]


@pytest.mark.parametrize(("kind", "act"), SPENT)
async def test_an_account_that_is_used_up_is_not_a_rate_limit(
    fakes: dict[tuple[str, str], FakeProvider], kind: str, act: dict[str, Any]
) -> None:
    fake = fakes[kind, "http"]
    fake.script(act)
    dialect = next(dialect for known, dialect in CASES if known == kind)
    async with caller(fake, dialect) as made:
        with pytest.raises(QuotaExhausted) as caught:
            await made.open(question(stream=True))
    assert not caught.value.retryable


def test_all_dialects_that_providers_speak_are_known() -> None:
    spoken = {
        dialect
        for kind in KINDS
        for dialect in build_provider(ProviderSpec("up", kind, "http://127.0.0.1:9")).dialects["chat"]  # type: ignore[arg-type]
    }
    assert spoken == set(DIALECTS)
