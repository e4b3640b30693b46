"""Templates: options under a name, saved from a model or written by hand, and put on other models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from corral.bus import Bus
from corral.kit.clock import iso, moment
from corral.kit.errors import InvalidRequest, NotFound
from corral.models.configuration.records import Change, Template, drop_template, put_template, record, templates
from corral.models.configuration.sets import Sets
from corral.models.options.values import as_wire, check, check_together

TEMPLATE_FORMAT = 1
"""Counts up when templates are written in another way."""
MOST = 500
TEMPLATES_TOPIC = "templates"


class Templates:
    """All templates, held in memory."""

    def __init__(self, sets: Sets, bus: Bus) -> None:
        self._sets = sets
        self._bus = bus
        self._known: dict[str, Template] = {}

    async def load(self) -> None:
        """Reads what there is."""
        self._known = await self._sets.read(templates)

    def listing(self) -> dict[str, Any]:
        """All templates in the wire form, and which model has which."""
        assigned = {entry.name: entry.template for entry in self._sets.entries().values() if entry.template}
        return {"templates": [self._wire(one) for one in self._known.values()], "assigned": assigned}

    def names(self) -> list[str]:
        """The names of all templates."""
        return list(self._known)

    def options(self, name: str) -> dict[str, Any]:
        """What a template sets. Raises NotFound, and InvalidRequest for one that this version cannot use."""
        found = self._known.get(name)
        if found is None:
            raise NotFound(f"There is no template {name[:100]!r}.")
        return check(found.options, scope="model")

    async def save(
        self, name: str, values: Mapping[str, Any], *, description: str | None, by: str, written_as: int | None = None
    ) -> dict[str, Any]:
        """Writes a template over the one of its name. Raises InvalidRequest with the reason of each field."""
        if written_as is not None and written_as > TEMPLATE_FORMAT:
            raise InvalidRequest(
                f"The template {name[:100]!r} is of format {written_as}, from a newer Corral; this one knows formats up to "
                f"{TEMPLATE_FORMAT}. Update Corral, or save the template again with the older one.",
                param="format", details={"fields": {"format": "is newer than this Corral"}},
            )  # fmt: skip
        options = {key: value for key, value in check(values, scope="model").items() if value is not None}
        check_together(options)
        old = self._known.get(name)
        if old is None and len(self._known) >= MOST:
            raise InvalidRequest(f"There are {MOST} templates already; delete some.", param="name")
        now = self._sets.now()
        text = description if description is not None else old.description if old else ""
        version, created = (old.version + 1, old.created_at) if old else (1, now)
        await self._keep(old, Template(name, text, options, version, created, now, by), by)
        return self._wire(self._known[name])

    async def delete(self, name: str, *, by: str) -> None:
        """Removes a template; models keep what it had set. Raises NotFound."""
        old = self._known.get(name)
        if old is None:
            raise NotFound(f"There is no template {name[:100]!r}.")
        await self._keep(old, None, by)

    async def put_back(self, change: Change, by: str) -> None:
        """Makes a template as it was before a change."""
        old, now = self._known.get(change.name), self._sets.now()
        made = None
        if change.before:
            options = {key: value for key, value in change.before["options"].items() if value is not None}
            made = Template(
                change.name, change.before["description"], options, (old.version if old else change.version) + 1,
                old.created_at if old else now, now, by,
            )  # fmt: skip
        await self._keep(old, made, by, "rollback")

    async def _keep(self, old: Template | None, new: Template | None, by: str, action: str | None = None) -> None:
        one = new or old
        assert one is not None
        how = action or ("delete" if new is None else "save")
        change = Change("template", one.name, one.version, how, by, _told(old), _told(new))
        now = self._sets.now()

        def work(connection: Connection) -> None:
            if new is not None:
                put_template(connection, new)
            else:
                drop_template(connection, one.name)
            record(connection, change, now)

        await self._sets.write(work)
        others = {name: found for name, found in self._known.items() if name != one.name}
        self._known = dict(sorted({**others, **({new.name: new} if new else {})}.items()))
        self.tell()

    def tell(self) -> None:
        """Tells who listens what there is now."""
        self._bus.publish(TEMPLATES_TOPIC, {"event": "templates:changed", **self.listing()})

    def _wire(self, one: Template) -> dict[str, Any]:
        problem, values = None, dict(one.options)
        try:
            values = as_wire(check(one.options, scope="model"))
        except InvalidRequest as error:
            problem = f"It cannot be used: {error.message}"
        return {
            "name": one.name, "description": one.description, "values": values, "version": one.version,
            "format": TEMPLATE_FORMAT, "createdAt": iso(moment(one.created_at)), "updatedAt": iso(moment(one.updated_at)),
            "by": one.by, "problem": problem,
        }  # fmt: skip


def _told(one: Template | None) -> dict[str, Any]:
    return {"description": one.description, "options": dict(one.options)} if one else {}
