"""The surfaces of all dialects, made and wired."""

from __future__ import annotations

from corral.accounts.service import Accounts
from corral.accounts.types import Principal
from corral.app.catalogue import Catalogue
from corral.engines import Engines
from corral.engines.types import Door
from corral.inference import Inference
from corral.surfaces.anthropic.application import add_anthropic
from corral.surfaces.door import Pace
from corral.surfaces.listing import Models
from corral.surfaces.llamacpp.application import Doors, Parts, add_llamacpp
from corral.surfaces.ollama.application import add_ollama
from corral.surfaces.openai.application import add_openai
from corral.surfaces.table import RouteTable


class EngineDoors:
    """See `surfaces.llamacpp.application.Doors`."""

    def __init__(self, engines: Engines, catalogue: Catalogue) -> None:
        self._engines = engines
        self._catalogue = catalogue

    def door(self, principal: Principal, model: str) -> Door:
        """The engine of `model`: of several, one that is ready."""
        name = self._catalogue.resolve(model).name
        doors = [door for door in self._engines.doors() if door.status.model == name]
        ready = next((door for door in doors if door.pool is not None), None)
        return ready or (doors[0] if doors else Door(self._engines.status(name), 0, None, b""))


def build_gateway(accounts: Accounts, inference: Inference, listing: Models, doors: Doors) -> RouteTable:
    """The application for `/v1`, `/ollama` and `/upstream`."""
    table, pace = RouteTable(accounts), Pace()
    for prefix in ("", "/ollama"):
        # Ollama serves OpenAI's API beside its own, and some of its clients want nothing else.
        add_openai(table, inference, listing, pace, prefix)
    add_anthropic(table, inference, pace)
    add_ollama(table, inference, listing, pace)
    add_llamacpp(table, Parts(inference, doors, pace))
    return table
