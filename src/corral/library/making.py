"""What an `LLM` is made with."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from corral.kit.errors import InvalidRequest
from corral.library.backends import Backend, Embedded, Given, Remote


class LLMOptions(TypedDict, total=False):
    """All of them may be left out.

    Attributes:
        providers: more providers, by name, each as `[providers.NAME]` of corral.toml has it; a key may stand there as `api_key` (one
            or a list). Without one the variable is looked at that the provider's own SDK looks at, such as OPENAI_API_KEY.
        routes: more routes, by name, each a list of `provider/model` in their order, or as `[routes.NAME]` of corral.toml has it.
        limits: limits in place of those of corral.toml, each as `[[limits]]` has it.
        settings: any other setting of corral.toml, such as `default_model`, `models` (folders) or `memory_budget`.
        user: who asks; limits of users and kept answers go by this name.
        environ: variables in place of the environment's.
        url: the address of a Corral that runs; then it answers, and of the others only `key` and `user` mean something.
        key: what it asks for, if it does.
    """

    providers: Mapping[str, Mapping[str, Any]]
    routes: Mapping[str, Sequence[str] | Mapping[str, Any]]
    limits: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]
    user: str
    environ: Mapping[str, str]
    url: str
    key: str


_LOCAL_ONLY = ("providers", "routes", "limits", "settings", "environ")


def backend_of(
    data: str | os.PathLike[str] | None, config: str | os.PathLike[str] | None, options: LLMOptions
) -> Backend:
    """Who answers. Raises InvalidRequest for options that are not known or do not go together."""
    unknown = set(options) - LLMOptions.__annotations__.keys()
    if unknown:
        name = sorted(unknown)[0]
        raise InvalidRequest(f"{name}: there is no such option.", param=name)
    if "url" in options:
        wrong = next((name for name in _LOCAL_ONLY if name in options), None)
        wrong = wrong or ("data" if data is not None else "config" if config is not None else None)
        if wrong is not None:
            raise InvalidRequest(f"{wrong}: a running Corral has its own; give either this or `url`.", param=wrong)
        return Remote(options["url"], options.get("key"))
    if "key" in options:
        raise InvalidRequest("key: is for a running Corral, with `url`.", param="key")
    twice = next(
        (name for name in ("data", "providers", "routes", "limits") if name in options.get("settings", {})), None
    )
    if twice is not None:
        raise InvalidRequest(f"settings: {twice} is an option of its own.", param="settings")
    given = Given(
        Path(data) if data is not None else None,
        Path(config) if config is not None else None,
        options.get("providers", {}),
        options.get("routes", {}),
        options.get("limits", ()),
        options.get("settings", {}),
        options.get("environ"),
    )
    return Embedded(given)
