"""What every bus does; the suite takes its adapters from one place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.bus import Bus, Lagged, MemoryBus, Subscription

ADAPTERS: list[Callable[[], Bus]] = [MemoryBus]


@pytest.fixture(params=ADAPTERS, ids=["memory"])
def bus(request: pytest.FixtureRequest) -> Bus:
    made: Bus = request.param()
    return made


async def take(
    bus: Bus, *topics: str, count: int, limit: int = 256, publish: Callable[[], None]
) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    with bus.subscribe(*topics, limit=limit) as events:
        publish()
        async for topic, event in events:
            found.append((topic, event["n"]))
            if len(found) == count:
                return found
    return found


async def test_events_come_in_order_to_those_who_listen(bus: Bus) -> None:
    def publish() -> None:
        for number in range(5):
            bus.publish("a", {"n": number})
            bus.publish("b", {"n": -number})

    bus.publish("a", {"n": "before anybody listened"})
    assert await take(bus, "a", count=5, publish=publish) == [("a", number) for number in range(5)]


async def test_a_star_takes_all_that_begin_so(bus: Bus) -> None:
    def publish() -> None:
        for topic in ("agents:ana", "agent", "models", "agents:", "agents:bob"):
            bus.publish(topic, {"n": 1})

    found = await take(bus, "agents:*", "models", count=4, publish=publish)
    assert sorted(topic for topic, _ in found) == ["agents:", "agents:ana", "agents:bob", "models"]


async def test_a_slow_reader_is_told_once_and_holds_up_nobody(bus: Bus) -> None:
    with bus.subscribe("a", limit=3) as slow, bus.subscribe("a", limit=100) as quick:
        for number in range(50):
            bus.publish("a", {"n": number})
        seen = []
        with pytest.raises(Lagged):
            async for _, event in slow:
                seen.append(event["n"])
        assert seen == [0, 1, 2]
        assert [event async for event in slow] == []
        reader = aiter(quick)
        assert [(await anext(reader))[1]["n"] for _ in range(50)] == list(range(50))


async def test_leaving_ends_a_waiting_reader_and_frees_everything(bus: Bus) -> None:
    subscription = bus.subscribe("a", "b*")

    async def read() -> list[object]:
        return [event async for event in subscription]

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    with subscription:
        bus.publish("a", {"n": 1})
    assert await asyncio.wait_for(reading, 30) in ([], [("a", {"n": 1})])
    bus.publish("a", {"n": 2})
    if isinstance(bus, MemoryBus):
        assert not bus._exact
        assert not bus._prefix


async def test_an_event_comes_once_however_many_topics_take_it(bus: Bus) -> None:
    def publish() -> None:
        bus.publish("models", {"n": 1})
        bus.publish("models", {"n": 2})

    assert await take(bus, "models", "mod*", "*", count=2, publish=publish) == [("models", 1), ("models", 2)]


async def test_publishing_and_leaving_while_events_are_read(bus: Bus) -> None:
    other = bus.subscribe("a")
    seen: list[object] = []
    with bus.subscribe("a") as events:
        bus.publish("a", {"n": 0})
        async for _, event in events:
            seen.append(event["n"])
            if event["n"] == 3:
                break
            with other:
                bus.publish("a", {"n": len(seen)})
    assert seen == [0, 1, 2, 3]


topics = st.sampled_from(["a", "ab", "abc", "b", ""])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("listen"), st.sampled_from(["a", "ab", "b", "a*", "ab*", "*"])),
        st.tuples(st.just("leave"), st.integers(0, 9)),
        st.tuples(st.just("publish"), topics),
    ),
    max_size=40,
)


@given(steps=steps)
@pytest.mark.parametrize("make", ADAPTERS)
async def test_each_gets_what_was_published_while_it_listened(make: Callable[[], Bus], steps: list[Any]) -> None:
    bus = make()
    listeners: list[tuple[str, Subscription, list[int], bool]] = []
    for number, (what, value) in enumerate(steps):
        if what == "listen":
            listeners.append((value, bus.subscribe(value), [], True))
        elif what == "publish":
            bus.publish(value, {"n": number})
            for pattern, _, due, listening in listeners:
                if listening and (value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern):
                    due.append(number)
        elif value < len(listeners):
            pattern, subscription, due, _ = listeners[value]
            with subscription:
                listeners[value] = (pattern, subscription, due, False)
    for _, subscription, due, _ in listeners:
        with subscription:
            pass
        assert [event["n"] async for _, event in subscription] == due
