"""`[otel]`, and OpenTelemetry's own variables over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corral.kit.errors import StartupError
from corral.settings import describe, load_settings

PLACE = "http://collector:4318"


def loaded(folder: Path, file: str = "", **environ: str) -> Any:
    (folder / "corral.toml").write_text(file)
    return load_settings({"data": folder}, environ=environ)


def test_nothing_is_sent_by_itself_and_variables_without_an_address_count_for_nothing(tmp_path: Path) -> None:
    assert (loaded(tmp_path).settings.otel.traces, loaded(tmp_path).settings.otel.metrics) == ("", "")
    found = loaded(tmp_path, OTEL_SERVICE_NAME="theirs", OTEL_TRACES_SAMPLER="always_off")
    assert found.sources["otel"] == "default"
    assert found.settings.otel.traces == ""


def test_the_standards_variables(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=PLACE + "/base/",
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT="https://elsewhere/metrics",
        OTEL_EXPORTER_OTLP_HEADERS="api-key=a%2Cb, x-tenant = t",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/json",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_EXPORTER_OTLP_TIMEOUT="2500",
        OTEL_METRIC_EXPORT_INTERVAL="5000",
        OTEL_SERVICE_NAME="mine",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=prod,a=b%20c",
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0.1",
    )
    otel = found.settings.otel
    assert (otel.traces, otel.metrics) == (PLACE + "/base/v1/traces", "https://elsewhere/metrics")
    assert otel.headers == {"api-key": "a,b", "x-tenant": "t"}
    assert (otel.protocol, otel.compression, otel.timeout, otel.interval) == ("http/json", "gzip", 2.5, 5.0)
    assert (otel.service_name, otel.sample) == ("mine", 0.1)
    assert otel.attributes == {"deployment.environment.name": "prod", "a": "b c"}
    assert found.sources["otel"] == "OTEL_EXPORTER_OTLP_ENDPOINT"


def test_the_file_and_variables_over_it_key_by_key(tmp_path: Path) -> None:
    file = f'[otel]\nendpoint = "{PLACE}"\nsample = 0.5\nheaders = {{ "api-key" = "secret-of-the-file" }}\n'
    found = loaded(tmp_path, file, OTEL_SERVICE_NAME="mine")
    otel = found.settings.otel
    assert (otel.traces, otel.sample, otel.service_name) == (PLACE + "/v1/traces", 0.5, "mine")
    assert "secret-of-the-file" not in repr(found.settings)
    assert "secret-of-the-file" not in str(describe(found))


def test_signals_and_all_of_it_can_be_switched_off(tmp_path: Path) -> None:
    only = loaded(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=PLACE, OTEL_METRICS_EXPORTER="none").settings.otel
    assert (only.traces, only.metrics) == (PLACE + "/v1/traces", "")
    file = f'[otel]\nendpoint = "{PLACE}"\n'
    none = loaded(tmp_path, file, OTEL_SDK_DISABLED="true").settings.otel
    assert (none.traces, none.metrics) == ("", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "localhost:4317"),
        ("OTEL_RESOURCE_ATTRIBUTES", "no pairs"), ("OTEL_EXPORTER_OTLP_HEADERS", "host=other"), ("OTEL_EXPORTER_OTLP_HEADERS", "a=b%0d%0ac"),
    ],
)  # fmt: skip
def test_a_variable_that_cannot_be_used_is_warned_of_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    found = loaded(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=PLACE, **{name: value}).settings.otel
    assert found.traces == PLACE + "/v1/traces"
    [line] = caplog.messages
    assert name in line


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ('endpoint = "localhost:4318"', "otel.endpoint"),
        ('endpoint = "http://user:pass@host"', "otel.endpoint"),
        ('protocol = "grpc"', "otel.protocol"),
        ("sample = 2.0", "otel.sample"),
        ('endpont = "http://x"', "Did you mean 'endpoint'"),
    ],
)
def test_a_mistake_in_the_file_is_refused_with_its_name(tmp_path: Path, file: str, told: str) -> None:
    with pytest.raises(StartupError) as raised:
        loaded(tmp_path, f"[otel]\n{file}\n")
    assert told in raised.value.message
    assert "pass@" not in raised.value.message
