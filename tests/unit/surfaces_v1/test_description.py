"""The OpenAPI description of `/api/v1`: its examples are as its schemas say, and no way to answer is left out."""

from __future__ import annotations

from typing import Any, cast

from corral.accounts.service import LocalAccounts
from corral.kit.json_schema import problems
from corral.surfaces.api.application import build_api
from corral.surfaces.v1.application import v1_router

_NOTHING = cast("Any", None)
DESCRIBED = build_api([v1_router(LocalAccounts(), _NOTHING, _NOTHING, _NOTHING, _NOTHING)]).openapi()


def test_examples_are_as_the_schemas_say() -> None:
    generate = DESCRIBED["paths"]["/api/v1/generate"]["post"]
    schema = generate["requestBody"]["content"]["application/json"]["schema"]
    assert len(schema["examples"]) >= 3
    for example in schema["examples"]:
        assert problems(example, schema) == []
    told = {status: answer["content"]["application/json"] for status, answer in generate["responses"].items()}
    assert {status for status, one in told.items() if "example" in one} == {"200", "422"}
    for status in ("200", "422"):
        assert (
            problems(told[status]["example"], {**told[status]["schema"], "components": DESCRIBED["components"]}) == []
        )
    assert "event: complete" in generate["responses"]["200"]["content"]["text/event-stream"]["example"]


def test_every_route_describes_its_failures() -> None:
    for methods in DESCRIBED["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["responses"]["default"]["content"]["application/json"]["schema"]["$ref"].endswith(
                "/Failure"
            )
