"""What was used, as metrics: names, kinds and help in Prometheus' terms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from corral.inference.usage.totals import ModelTotals, Totals

Sample = tuple[Mapping[str, str], float | int | None]


def gathered(totals: Totals, lost: int, waiting: int) -> list[tuple[str, str, str, Iterable[Sample]]]:
    """All metrics of the gateway."""

    def each(name: str, help_: str, read: Callable[[ModelTotals], float]) -> tuple[str, str, str, Iterable[Sample]]:
        models = totals.models.items()
        return name, "counter", help_, [({"provider": key[0], "model": key[1]}, read(one)) for key, one in models]

    return [
        each("corral_gateway_requests_total", "Requests, where their answer came from.", lambda one: one.requests),
        each("corral_gateway_requests_failed_total", "Requests whose answer failed.", lambda one: one.failed),
        each("corral_gateway_requests_cancelled_total", "Requests that their client left.", lambda one: one.cancelled),
        each("corral_provider_attempts_total", "Times that a model was asked.", lambda one: one.attempts),
        each("corral_provider_failures_total", "Times that a model failed when it was asked.", lambda one: one.failures),
        each("corral_provider_prompt_tokens_total", "Prompt tokens read.", lambda one: one.prompt_tokens),
        each("corral_provider_completion_tokens_total", "Tokens answered.", lambda one: one.completion_tokens),
        each("corral_provider_cached_tokens_total", "Prompt tokens read from a cache.", lambda one: one.cached_tokens),
        each("corral_provider_cost_dollars_total", "US dollars, where prices are known.", lambda one: one.dollars),
        ("corral_gateway_cache_total", "counter", "Requests by what the cache did for them.",
         [({"cache": state}, count) for state, count in totals.caches.items()]),
        ("corral_usage_events_lost_total", "counter", "Usage events that could not be written.", [({}, lost)]),
        ("corral_usage_events_waiting", "gauge", "Usage events that are not written yet.", [({}, waiting)]),
    ]  # fmt: skip
