"""The catalogue: every option that Corral offers, once."""

from __future__ import annotations

from corral.models.options.advanced import ADVANCED
from corral.models.options.basics import CORE
from corral.models.options.lora import LORA
from corral.models.options.memory import GPU, MEMORY
from corral.models.options.multimodal import MULTIMODAL
from corral.models.options.sampling import SAMPLING
from corral.models.options.server import SERVER
from corral.models.options.types import Group, Option

OPTIONS: tuple[Option, ...] = (*CORE, *SAMPLING, *MEMORY, *GPU, *ADVANCED, *LORA, *MULTIMODAL, *SERVER)
BY_NAME: dict[str, Option] = {option.name: option for option in OPTIONS}
BY_WIRE: dict[str, Option] = {option.wire: option for option in OPTIONS}
DEFAULTS: dict[str, object] = {option.name: option.default for option in OPTIONS}
SERVER_OPTIONS: tuple[Option, ...] = tuple(option for option in OPTIONS if "server" in option.scopes)
"""What can be set for all models: the columns of the server's table."""
MODEL_OPTIONS: tuple[Option, ...] = tuple(option for option in OPTIONS if "model" in option.scopes)

FIXED: dict[str, str] = {
    "host": "engines listen on a private socket",
    "port": "engines listen on a private socket",
    "path": "engines serve no files",
    "api_prefix": "the paths of an engine are Corral's",
    "api_key": "each start gets a new key",
    "api_key_file": "each start gets a new key",
    "ssl_key_file": "engines listen on a private socket",
    "ssl_cert_file": "engines listen on a private socket",
    "cors_origins": "no browser talks to an engine",
    "cors_methods": "no browser talks to an engine",
    "cors_headers": "no browser talks to an engine",
    "cors_credentials": "no browser talks to an engine",
    "ui": "Corral has its own pages",
    "webui": "Corral has its own pages",
    "metrics": "Corral reads them",
    "slots": "Corral reads them",
    "props": "a client must not change an engine for all others",
    "slot_save_path": "Corral chooses where contexts are saved",
    "prefill_assistant": "an answer that broke off is continued this way",
    "no_prefill_assistant": "an answer that broke off is continued this way",
    "media_path": "engines read no files for requests",
    "tools": "engines run no programs",
    "agent": "engines run no programs",
    "mcp_servers_config": "engines run no programs",
    "mcp_servers_json": "engines run no programs",
    "model": "the model's file is known",
    "alias": "the model's name is known",
    "hf_repo": "models are downloaded by Corral",
    "model_url": "models are downloaded by Corral",
    "log_file": "Corral keeps the log",
    "log_prompts_dir": "prompts are not written to files",
}
"""Options of llama-server that Corral sets itself, and why they cannot be chosen."""


def group(name: str) -> tuple[Option, ...]:
    """The options of one group. Raises ValueError for a group that there is not."""
    wanted = Group(name)
    return tuple(option for option in OPTIONS if option.group is wanted)
