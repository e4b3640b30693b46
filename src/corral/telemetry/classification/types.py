"""The words in which an error is classified, and one row of the table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from corral.kit.errors import CorralError, by_code

Kind = type[CorralError]


class Type(StrEnum):
    """What an error is about."""

    REQUEST = "request"
    ACCESS = "access"
    LIMIT = "limit"
    MODEL = "model"
    ENGINE = "engine"
    PROVIDER = "provider"
    OUTPUT = "output"
    STORAGE = "storage"
    SERVER = "server"
    NETWORK = "network"
    WEBGPU = "webgpu"
    WASM = "wasm"
    WORKER = "worker"
    DOWNLOAD = "download"
    PAGE = "page"


class Severity(StrEnum):
    """How bad it is: `low` is a caller's slip, `medium` one answer lost, `high` a part that does not work, `critical` a fault that needs a person."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Actor(StrEnum):
    """Who takes a step."""

    SERVER = "server"
    PAGE = "page"
    PERSON = "person"


class Strategy(StrEnum):
    """A step towards recovery."""

    RETRY = "retry"
    WAIT = "wait"
    OTHER_CANDIDATE = "other_candidate"
    CONTINUE = "continue"
    REPAIR = "repair"
    RESTART_ENGINE = "restart_engine"
    FREE_MEMORY = "free_memory"
    RESTART_WORKER = "restart_worker"
    OTHER_BACKEND = "other_backend"
    SMALLER_CONTEXT = "smaller_context"
    OTHER_PLACE = "other_place"
    DOWNLOAD_AGAIN = "download_again"
    NEW_VERSION = "new_version"
    RESUME = "resume"
    FORK = "fork"
    CHANGE_REQUEST = "change_request"
    CHANGE_MODEL = "change_model"
    CHANGE_SETTINGS = "change_settings"
    FREE_STORAGE = "free_storage"
    SIGN_IN = "sign_in"
    RELOAD_PAGE = "reload_page"
    REPORT = "report"


STRATEGIES: dict[Strategy, tuple[Actor, str]] = {
    Strategy.RETRY: (Actor.PAGE, "Tries the same again, after a pause that grows."),
    Strategy.WAIT: (Actor.PAGE, "Tries the same again when the answer says so (`Retry-After`)."),
    Strategy.OTHER_CANDIDATE: (Actor.SERVER, "Asks the next provider, model or key of the route."),
    Strategy.CONTINUE: (Actor.SERVER, "Has another one go on with the answer where it broke off."),
    Strategy.REPAIR: (Actor.SERVER, "Asks again and says what was wrong with the answer."),
    Strategy.RESTART_ENGINE: (Actor.SERVER, "Starts the engine again, after a pause that grows."),
    Strategy.FREE_MEMORY: (Actor.SERVER, "Ends engines that are not used."),
    Strategy.RESTART_WORKER: (Actor.PAGE, "Ends the worker and loads the model in a new one."),
    Strategy.OTHER_BACKEND: (Actor.PAGE, "Loads the model for the processor (WebAssembly) instead of the graphics card."),
    Strategy.SMALLER_CONTEXT: (Actor.PAGE, "Loads the model with half the context."),
    Strategy.OTHER_PLACE: (Actor.PAGE, "Has the server answer instead of this device, or this device instead of the server."),
    Strategy.DOWNLOAD_AGAIN: (Actor.PAGE, "Removes the file that is wrong and fetches it again."),
    Strategy.NEW_VERSION: (Actor.PAGE, "Reads the list of models again and fetches the version that it names."),
    Strategy.RESUME: (Actor.PAGE, "Keeps what there is and goes on when the connection is back."),
    Strategy.FORK: (Actor.PAGE, "Keeps both: what was written here becomes a conversation of its own."),
    Strategy.CHANGE_REQUEST: (Actor.PERSON, "The request has to be changed."),
    Strategy.CHANGE_MODEL: (Actor.PERSON, "Another model has to be chosen."),
    Strategy.CHANGE_SETTINGS: (Actor.PERSON, "Settings, keys or limits have to be changed."),
    Strategy.FREE_STORAGE: (Actor.PERSON, "Space has to be made."),
    Strategy.SIGN_IN: (Actor.PERSON, "Somebody has to sign in, or somebody else has to allow it."),
    Strategy.RELOAD_PAGE: (Actor.PERSON, "The page has to be loaded again."),
    Strategy.REPORT: (Actor.PERSON, "The log, or a report of it, leads further."),
}  # fmt: skip
"""Who takes each step, and what it is."""

REPEATING = frozenset({Strategy.RETRY, Strategy.WAIT})
"""Steps that do the same again."""


class Step(NamedTuple):
    """A step with its bounds: how often it is taken, and the pause before it in seconds, doubling up to `longest`."""

    strategy: Strategy
    tries: int = 1
    pause: float = 0.0
    longest: float = 0.0

    @property
    def actor(self) -> Actor:
        """Who takes it."""
        return STRATEGIES[self.strategy][0]


@dataclass(frozen=True, slots=True)
class Row:
    """One error.

    Args:
        code: what programs know it by. An engine's reason for `engine_failed` has its own code behind `engine.`.
        steps: what is done about it, in order; a step that cannot be taken is passed over.
        message: what happened, for the person in front of the page.
        action: what to do, for the same person.
    """

    code: str
    type: Type
    severity: Severity
    steps: tuple[Step, ...]
    message: str
    action: str

    @property
    def kind(self) -> Kind | None:
        """The error of the server that has this code; None for one of the browser."""
        return by_code("engine_failed" if self.code.startswith("engine.") else self.code)

    @property
    def status(self) -> int | None:
        """The HTTP status, None where no answer of the server has this code."""
        return self.kind.status if self.kind is not None else None

    @property
    def retry(self) -> bool:
        """Whether the same again can help."""
        return any(step.strategy in REPEATING for step in self.steps)

    @property
    def recoverable(self) -> bool:
        """Whether there is a way on without a person: the same again, or a step that the page takes by itself."""
        return any(step.actor is Actor.PAGE for step in self.steps)

    @property
    def facts(self) -> dict[str, object]:
        """What lines of the log and spans tell of it."""
        return {
            "code": self.code,
            "type": self.type.value,
            "severity": self.severity.value,
            "recoverable": self.recoverable,
        }
