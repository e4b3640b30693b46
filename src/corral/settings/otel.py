"""`[otel]`: where traces and figures are sent. OpenTelemetry's own variables say the same: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/

A variable goes before the file. Without an address nothing is sent, and nothing of it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

Text = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]
_OWN = frozenset(
    {"content-type", "content-length", "content-encoding", "host", "transfer-encoding", "user-agent", "connection"}
)


class OtelEntry(BaseModel):
    """The table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str | None = Field(
        None, description="Address of an OpenTelemetry collector that takes OTLP over HTTP, such as http://localhost:4318; `/v1/traces` and `/v1/metrics` are added."
    )  # fmt: skip
    traces_endpoint: str | None = Field(None, description="Whole address for traces, when it is another one; empty sends none.")  # fmt: skip
    metrics_endpoint: str | None = Field(None, description="Whole address for metrics, when it is another one; empty sends none.")  # fmt: skip
    headers: dict[str, str] = Field(default_factory=dict, max_length=32, repr=False, description="Headers for the collector, such as its key.")  # fmt: skip
    protocol: Literal["http/protobuf", "http/json"] = Field("http/protobuf", description="http/protobuf or http/json.")
    compression: Literal["none", "gzip"] = Field("none", description="none or gzip.")
    timeout: float = Field(10.0, gt=0, le=300, description="Seconds that the collector may take for an answer.")
    interval: float = Field(60.0, ge=1, le=86_400, description="Seconds between two reports of metrics.")
    sample: float = Field(1.0, ge=0, le=1, description="Share of the traces that begin here; those of a client's `traceparent` are as it says.")  # fmt: skip
    service_name: Text = Field("corral", min_length=1, description="`service.name` of all that is sent.")
    attributes: dict[Text, Text] = Field(default_factory=dict, max_length=64, description="Further attributes of the resource, such as deployment.environment.name.")  # fmt: skip

    @field_validator("endpoint", "traces_endpoint", "metrics_endpoint")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if not value:
            return value
        url = urlsplit(value)
        if (
            url.scheme not in ("http", "https")
            or not url.hostname
            or url.username is not None
            or not value.isascii()
            or " " in value
        ):
            raise ValueError("is not an address such as http://localhost:4318")
        return value

    @field_validator("headers")
    @classmethod
    def _plain(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum() or name.lower() in _OWN:
                raise ValueError(f"{name[:40]!r} is not the name of a header that can be added")
            if len(text) > 4000 or not text.isascii() or not (text.isprintable() or not text):
                raise ValueError(f"the value of {name!r} holds what a header cannot")
        return value

    @property
    def traces(self) -> str:
        """Where traces go, empty for nowhere."""
        return self._signal(self.traces_endpoint, "/v1/traces")

    @property
    def metrics(self) -> str:
        """Where metrics go, empty for nowhere."""
        return self._signal(self.metrics_endpoint, "/v1/metrics")

    def _signal(self, own: str | None, path: str) -> str:
        if own is not None:
            return own
        return self.endpoint.rstrip("/") + path if self.endpoint else ""


def _pairs(text: str) -> dict[str, str]:
    """`key=value,key=value`, percent-encoded, as the variables have it. Raises ValueError."""
    found = {}
    for part in text.split(","):
        if part.strip():
            key, equals, value = part.partition("=")
            if not equals or not key.strip():
                raise ValueError("is not of the form key=value,key=value")
            found[unquote(key.strip())] = unquote(value.strip())
    return found


def _seconds(text: str) -> float:
    return float(text) / 1000


def _nowhere(text: str) -> str | None:
    """The value of OTEL_TRACES_EXPORTER and its like: `none` sends nothing."""
    return "" if text.strip().lower() == "none" else None


VARIABLES: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("endpoint", str),
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ("traces_endpoint", str),
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": ("metrics_endpoint", str),
    "OTEL_EXPORTER_OTLP_HEADERS": ("headers", _pairs),
    "OTEL_EXPORTER_OTLP_PROTOCOL": ("protocol", str),
    "OTEL_EXPORTER_OTLP_COMPRESSION": ("compression", str),
    "OTEL_EXPORTER_OTLP_TIMEOUT": ("timeout", _seconds),
    "OTEL_METRIC_EXPORT_INTERVAL": ("interval", _seconds),
    "OTEL_SERVICE_NAME": ("service_name", str),
    "OTEL_RESOURCE_ATTRIBUTES": ("attributes", _pairs),
    "OTEL_TRACES_EXPORTER": ("traces_endpoint", _nowhere),
    "OTEL_METRICS_EXPORTER": ("metrics_endpoint", _nowhere),
}
"""Variable, key of the table, and how the one becomes the other (None: as if it were not there)."""
_SAMPLERS = {"always_on": 1.0, "parentbased_always_on": 1.0, "always_off": 0.0, "parentbased_always_off": 0.0}


def otel_from(environ: Mapping[str, str], given: Mapping[str, Any]) -> tuple[dict[str, Any], str, list[str]]:
    """The table with what the variables say over what is `given` in the file; the first variable that said something; and what cannot
    be used, which the standard wants to be warned of and left out.

    The variables are often set for all programs of a machine: without an address, there or in the file, they count for nothing.
    """
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return {**given, "endpoint": None, "traces_endpoint": "", "metrics_endpoint": ""}, "OTEL_SDK_DISABLED", []
    found: dict[str, Any] = {}
    sources, problems = [], []
    for name, (key, read) in VARIABLES.items():
        text = environ.get(name, "")
        if text:
            try:
                value = read(text)
                if value is not None:
                    OtelEntry.model_validate({key: value})
                    found[key] = value
                    sources.append(name)
            except ValueError:
                said = "" if key == "headers" else f" {text[:100]!r}"
                problems.append(f"{name}{said} is not used; see the settings of `otel`")
    sample = _sample(environ.get("OTEL_TRACES_SAMPLER", ""), environ.get("OTEL_TRACES_SAMPLER_ARG", ""))
    if sample is not None:
        found["sample"] = sample
        sources.append("OTEL_TRACES_SAMPLER")
    merged = {**given, **found}
    if not sources or not any(merged.get(key) for key in ("endpoint", "traces_endpoint", "metrics_endpoint")):
        return dict(given), "", []
    return merged, sources[0], problems


def _sample(sampler: str, argument: str) -> float | None:
    if sampler in ("traceidratio", "parentbased_traceidratio"):
        try:
            return min(1.0, max(0.0, float(argument or 1)))
        except ValueError:
            return None
    return _SAMPLERS.get(sampler)
