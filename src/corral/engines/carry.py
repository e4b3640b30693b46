"""An engine's KV state kept over its end: each slot saved to a file, and restored into the next engine of that model.

Some kinds of models take a restored state and do not use it, so once for each model and its settings the engine has to
show that it does: a short text is read, saved, erased, restored and asked again, and must count as cached.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from corral.engines.backends import Plan
from corral.engines.types import EngineSpec
from corral.kit.errors import CorralError, UpstreamFailed
from corral.kit.http import HttpPool, Timeouts
from corral.models.options import BY_NAME, Group
from corral.telemetry import get_logger

LEAST_TOKENS = 64
"""Shorter states are read again faster than they are worth a file."""
LEAST_FREE = 1 << 30
PATIENCE = 10.0
"""Bytes that stay free on the disk, and seconds that one engine may take for all of it."""
_TEXT = "A short text that nobody will ever read, save the engine that is to remember it. " * 4
_TIMEOUTS = Timeouts(connect=2.0, head=PATIENCE, idle=PATIENCE)
_JSON = b"content-type: application/json\r\n"
_LIMIT = 4 << 20
_NOTE = "state.json"
_log = get_logger("corral.engines")


@dataclass(slots=True)
class Note:
    """What is known of one folder: whether restored states are used (None: not tried), bytes for each token, and the tokens
    of each file."""

    works: bool | None = None
    width: float = 0.0
    files: dict[str, int] = field(default_factory=dict)


class Carry:
    """Saves and restores, below `root`; `budget` is in bytes, 0 keeps nothing."""

    def __init__(self, root: Path, budget: int) -> None:
        self._root = root
        self._budget = budget

    def folder(self, spec: EngineSpec) -> Path | None:
        """Where an engine keeps its states, None for one that keeps none. It is made when it is not there."""
        if self._budget <= 0 or spec.entry is not None or spec.embeddings or spec.path is None:
            return None
        folder = self._root / key(spec)
        try:
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(exist_ok=True, mode=0o700)
        except OSError:
            return None
        return folder

    def verdict(self, spec: EngineSpec) -> bool | None:
        """Whether states of this model are of use; None when nobody has tried."""
        note = _read(self._root / key(spec)) if spec.path is not None and self._budget > 0 else Note()
        return note.works

    async def save(self, spec: EngineSpec, replica: int, pool: HttpPool, plan: Plan) -> int:
        """Saves the slots that are worth it; how many tokens. What goes wrong is logged and costs nothing else."""
        folder = self.folder(spec)
        if folder is None or _read(folder).works is False:
            return 0
        try:
            async with asyncio.timeout(PATIENCE):
                return await _Door(pool, plan.headers).save(folder, replica, self._fits)
        except (CorralError, TimeoutError, OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("engine_state_not_saved", model=spec.model, reason=str(error) or type(error).__name__)
            return 0
        finally:
            await asyncio.to_thread(self._prune)

    async def restore(self, spec: EngineSpec, replica: int, pool: HttpPool, plan: Plan) -> int:
        """Restores what was saved; how many tokens. A file that the engine does not take is forgotten."""
        folder = self.folder(spec)
        if folder is None:
            return 0
        note = _read(folder)
        if not note.works:
            return 0
        tokens, door = 0, _Door(pool, plan.headers)
        for name, count in sorted(note.files.items()):
            owner, slot = name.removesuffix(".bin").split("-")
            if int(owner) != replica or int(slot) >= spec.slots:
                continue
            try:
                async with asyncio.timeout(PATIENCE):
                    answer = await door.ask(f"/slots/{slot}?action=restore", {"filename": name})
                if answer["n_restored"] != count:
                    raise UpstreamFailed(f"{answer['n_restored']} tokens came back of {count}.")
                tokens += count
            except (CorralError, TimeoutError, KeyError) as error:
                _log.warning("engine_state_not_restored", model=spec.model, reason=str(error) or type(error).__name__)
                _forget(folder, name)
        return tokens

    def _fits(self, size: float) -> bool:
        return size <= self._budget and shutil.disk_usage(self._root).free - size >= LEAST_FREE

    def _prune(self) -> None:
        """Deletes what was not used for longest until the rest is within the budget."""
        found = []
        for path in self._root.glob("*/*.bin"):
            with contextlib.suppress(OSError):
                stat = path.stat()
                found.append((stat.st_mtime, stat.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._budget:
                return
            _forget(path.parent, path.name)
            total -= size


class _Door:
    """The questions to one engine."""

    def __init__(self, pool: HttpPool, headers: bytes) -> None:
        self._pool = pool
        self._headers = headers + _JSON

    async def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Its answer. Raises UpstreamFailed for one that is an error."""
        method, data = (b"GET", b"") if body is None else (b"POST", msgspec.json.encode(body))
        response = await self._pool.request(method, path.encode(), headers=self._headers, body=data, timeouts=_TIMEOUTS)
        answer = await response.read(_LIMIT)
        if response.status != 200:
            raise UpstreamFailed(answer[:300].decode("utf-8", "replace"))
        return msgspec.json.decode(answer)

    async def save(self, folder: Path, replica: int, fits: Callable[[float], bool]) -> int:
        """Saves all idle slots with enough tokens, when there is room for as many bytes."""
        slots = [
            slot for slot in await self.ask("/slots")
            if not slot.get("is_processing") and slot.get("n_prompt_tokens", 0) >= LEAST_TOKENS
        ]  # fmt: skip
        note = _read(folder)
        if not slots or not fits(note.width * sum(slot["n_prompt_tokens"] for slot in slots)):
            return 0
        saved: dict[str, int] = {}
        for slot in slots:
            name, part = f"{replica}-{slot['id']}.bin", f"{replica}-{slot['id']}.part"
            answer = await self.ask(f"/slots/{slot['id']}?action=save", {"filename": part})
            (folder / part).replace(folder / name)
            saved[name] = int(answer["n_saved"])
            note.width = answer["n_written"] / max(1, saved[name])
        if note.works is None:
            note.works = await self.works(folder, slots[0]["id"])
        if not note.works:
            for name in saved:
                (folder / name).unlink(missing_ok=True)
            saved = {}
        for name in set(note.files) - set(saved):
            if name.startswith(f"{replica}-"):
                _forget(folder, name)
        others = {name: count for name, count in note.files.items() if not name.startswith(f"{replica}-")}
        _write(folder, Note(note.works, note.width, others | saved))
        return sum(saved.values())

    async def works(self, folder: Path, slot: int) -> bool:
        """Whether a restored state counts as cached. What was in the slot is lost."""
        prompt = (await self.ask("/tokenize", {"content": _TEXT}))["tokens"]
        question = {"prompt": prompt, "n_predict": 1, "id_slot": slot, "cache_prompt": True, "temperature": 0.0}
        try:
            await self.ask("/completion", question)
            await self.ask(f"/slots/{slot}?action=save", {"filename": "trial.part"})
            await self.ask(f"/slots/{slot}?action=erase", {})
            await self.ask(f"/slots/{slot}?action=restore", {"filename": "trial.part"})
            answer = await self.ask("/completion", question)
        finally:
            (folder / "trial.part").unlink(missing_ok=True)
        return int(answer["timings"]["cache_n"]) >= len(prompt) // 2


def key(spec: EngineSpec) -> str:
    """The same for engines that understand each other's states: one model, one file, and settings that do not change what it computes.

    Two names for a file have states of their own, since engines of both may write theirs at the same moment.
    """
    assert spec.path is not None
    try:
        stat = spec.path.stat()
        file = f"{spec.path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    except OSError:
        file = str(spec.path)
    # How it samples does not change the state; everything else might.
    options = {name: value for name, value in spec.options.items() if not _harmless(name)}
    return hashlib.sha256(f"{spec.model} {file} {sorted(options.items())!r}".encode()).hexdigest()[:32]


def _harmless(name: str) -> bool:
    option = BY_NAME.get(name)
    return option is not None and (option.group is Group.SAMPLING or not option.restart)


def _read(folder: Path) -> Note:
    try:
        found = json.loads((folder / _NOTE).read_text())
        files = {str(name): int(count) for name, count in found["files"].items()}
        return Note(found["works"], float(found["width"]), files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Note()


def _write(folder: Path, note: Note) -> None:
    part = folder / (_NOTE + ".part")
    part.write_text(json.dumps({"works": note.works, "width": note.width, "files": note.files}))
    part.replace(folder / _NOTE)


def _forget(folder: Path, name: str) -> None:
    with contextlib.suppress(OSError):
        (folder / name).unlink(missing_ok=True)
        note = _read(folder)
        if note.files.pop(name, None) is not None:
            _write(folder, note)
