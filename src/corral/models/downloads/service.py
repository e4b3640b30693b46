"""The use cases of downloads: looking at repositories, starting, pausing, going on, cancelling.

A few run at once, each file in a thread of its own, since a thread that waits for a silent hub cannot be stopped, only
left alone. Files come to hidden names in the folder where they will be, so that the last step is a rename.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from corral.bus import Bus
from corral.kit.clock import Clock, iso
from corral.kit.errors import Conflict, CorralError, NotFound, TooManyRequests
from corral.kit.ids import new_id
from corral.kit.tasks import Tasks
from corral.models.downloads import keeping
from corral.models.downloads.aside import aside
from corral.models.downloads.choices import best_of, choices, chosen, folder_name, repository_name
from corral.models.downloads.hub import Hub
from corral.models.downloads.transfer import PAUSES, Ended, Failed, Source, Watch, check_whole, fetch
from corral.models.downloads.types import ACTIVE, Choice, Download, HubFile, Repository, State
from corral.models.gguf import GgufError, Header, read_header
from corral.telemetry import get_logger

TOPIC = "downloads"
TELL_SECONDS = 0.5
MAX_LISTED = 200
_SMOOTH = 0.3
_log = get_logger("corral.downloads")


class Judge(Protocol):
    """Says what of a repository fits this machine; a port that `app` fills."""

    def __call__(self, header: Header | None, choices: Sequence[tuple[str, int]]) -> Awaitable[list[dict[str, Any]]]:
        """A report for each (quantisation, bytes); `header` is that of one of their files, where it could be read."""
        ...


class Arrived(Protocol):
    """Is told of new files, and answers with the name that a model has now."""

    def __call__(self, path: Path) -> Awaitable[str | None]: ...


@dataclass(frozen=True, slots=True)
class Places:
    """Where the list is kept (a file), and where models go (a folder)."""

    kept: Path
    models: Path


@dataclass(frozen=True, slots=True)
class Limits:
    """How many downloads run at once, and the pauses between tries of one, in seconds."""

    parallel: int = 2
    pauses: tuple[float, ...] = PAUSES


class Downloads:
    """All downloads. `start` it, so that those of before go on; `stop` leaves them for the next start."""

    def __init__(
        self,
        places: Places,
        hub: Hub,
        judge: Judge,
        arrived: Arrived,
        *,
        clock: Clock,
        bus: Bus,
        limits: Limits | None = None,
    ) -> None:
        self._places = places
        self._hub = hub
        self._judge = judge
        self._arrived = arrived
        self._clock = clock
        self._bus = bus
        self._limits = limits or Limits()
        self._downloads: dict[str, Download] = {}
        self._running: dict[str, tuple[Watch, asyncio.Task[None]]] = {}
        self._keeping = asyncio.Lock()
        self._tasks = Tasks("downloads")
        self._told: list[dict[str, Any]] = []

    async def start(self) -> None:
        """Goes on with what was not done."""
        for one in await asyncio.to_thread(keeping.load, self._places.kept):
            one.done = await asyncio.to_thread(self._there, one)
            self._downloads[one.id] = one
        self._tasks.start("tell", self._tell())
        self._next()

    async def stop(self) -> None:
        """Stops them; the next start goes on."""
        await self._tasks.stop(grace=0.1)
        running = list(self._running.values())
        for watch, task in running:
            watch.ended.set()
            task.cancel()
        if running:
            await asyncio.wait([task for _, task in running], timeout=5.0)

    # Asked from outside

    def all(self) -> list[dict[str, Any]]:
        """All downloads, the newest first."""
        return [one.as_dict() for one in reversed(self._downloads.values())]

    def get(self, key: str) -> dict[str, Any]:
        """One download. Raises NotFound."""
        return self._get(key).as_dict()

    async def look(self, repo: str, revision: str | None = None) -> dict[str, Any]:
        """What a repository offers, with what fits this machine. Raises NotFound, Forbidden, InvalidRequest, Unavailable."""
        name, _ = repository_name(repo)
        repository, found, reports = await self._judged(name, revision)
        best = best_of([(choice, report["verdict"]) for choice, report in zip(found, reports, strict=True)])
        return {
            "repo": repository.name,
            "revision": repository.commit,
            "licence": repository.licence,
            "gated": repository.gated,
            "choices": [
                {
                    "quant": choice.quant, "files": [file.name for file in choice.files], "size": choice.size,
                    "fit": report, "recommended": choice.quant == best,
                }
                for choice, report in zip(found, reports, strict=True)
            ],
        }  # fmt: skip

    async def begin(
        self, repo: str, *, files: Sequence[str] | None = None, quant: str | None = None, revision: str | None = None
    ) -> dict[str, Any]:
        """Starts a download of files, of a quantisation, or of what fits best. The same once more is the same download."""
        name, named = repository_name(repo)
        best = None
        if files or quant or named:
            repository = await aside(lambda: self._hub.look(name, revision))
            found = choices(repository)
        else:
            repository, found, reports = await self._judged(name, revision)
            best = best_of([(choice, report["verdict"]) for choice, report in zip(found, reports, strict=True)])
        choice = chosen(found, quant or named, files, best)
        for one in self._downloads.values():
            if (one.repo, one.commit, one.files) == (name, repository.commit, choice.files) and one.state in ACTIVE:
                return one.as_dict()
        self._forget_old()
        made = Download(
            new_id("dl"), name, repository.commit, choice.files, folder_name(name), iso(self._clock.now()), choice.quant
        )
        self._downloads[made.id] = made
        await self._changed()
        self._next()
        return made.as_dict()

    async def pause(self, key: str) -> dict[str, Any]:
        """Stops a download for now; what has come is kept. Raises NotFound and Conflict."""
        one = self._get(key)
        if one.state is not State.PAUSED:
            self._must_be(one, *ACTIVE)
            self._end(one, State.PAUSED)
            await self._changed()
            self._next()
        return one.as_dict()

    async def resume(self, key: str) -> dict[str, Any]:
        """Goes on with a download that was paused, failed or cancelled. Raises NotFound and Conflict."""
        one = self._get(key)
        if one.state not in ACTIVE:
            self._must_be(one, State.PAUSED, State.FAILED, State.CANCELLED)
            one.state, one.problem, one.rate = State.QUEUED, None, None
            await self._changed()
            self._next()
        return one.as_dict()

    async def cancel(self, key: str) -> dict[str, Any]:
        """Gives a download up and deletes what has come of it. Raises NotFound and Conflict."""
        one = self._get(key)
        if one.state is not State.CANCELLED:
            self._must_be(one, *ACTIVE, State.PAUSED, State.FAILED)
            self._end(one, State.CANCELLED)
            await asyncio.to_thread(self._clear, one)
            one.done = 0
            await self._changed()
            self._next()
        return one.as_dict()

    async def remove(self, key: str) -> dict[str, Any]:
        """Takes a download off the list; a model that has come whole stays. Raises NotFound."""
        one = self._get(key)
        if one.state is not State.DONE:
            self._end(one, State.CANCELLED)
            await asyncio.to_thread(self._clear, one)
        self._downloads.pop(key, None)
        await self._changed()
        self._next()
        return {"removed": key}

    # Inside

    async def _judged(self, name: str, revision: str | None) -> tuple[Repository, list[Choice], list[dict[str, Any]]]:
        repository = await aside(lambda: self._hub.look(name, revision))
        found = choices(repository)
        header = None
        if found:
            first = found[0].files[0].name
            header = await aside(lambda: self._hub.header(name, repository.commit, first))
        return repository, found, await self._judge(header, [(choice.quant, choice.size) for choice in found])

    def _get(self, key: str) -> Download:
        one = self._downloads.get(key)
        if one is None:
            raise NotFound("There is no such download.")
        return one

    @staticmethod
    def _must_be(one: Download, *states: State) -> None:
        if one.state not in states:
            raise Conflict(f"The download is {one.state.value}.")

    def _forget_old(self) -> None:
        over = [one for one in self._downloads.values() if one.state in (State.DONE, State.CANCELLED)]
        for one in over[: max(0, len(self._downloads) - MAX_LISTED + 1)]:
            del self._downloads[one.id]
        if len(self._downloads) >= MAX_LISTED:
            raise TooManyRequests(f"{MAX_LISTED} downloads are listed already; remove some first.")

    def _next(self) -> None:
        """Starts what may run."""
        waiting = (one for one in self._downloads.values() if one.state is State.QUEUED)
        for one in list(waiting):
            if len(self._running) >= self._limits.parallel:
                return
            if one.id not in self._running:
                watch = Watch()
                one.state = State.RUNNING
                self._running[one.id] = watch, self._tasks.start(f"download {one.repo}", self._run(one, watch))

    def _end(self, one: Download, state: State) -> None:
        """Lets a running download go at once; its thread notices."""
        one.state, one.rate = state, None
        running = self._running.pop(one.id, None)
        if running is not None:
            running[0].ended.set()
            running[1].cancel()

    async def _run(self, one: Download, watch: Watch) -> None:
        try:
            await self._bring(one, watch)
            one.state, one.problem = State.DONE, None
            _log.info("downloaded", repo=one.repo, files=len(one.files), bytes=one.done)
        except Failed as error:
            one.state, one.problem = State.FAILED, str(error)
        except CorralError as error:
            one.state, one.problem = State.FAILED, error.message
        finally:
            if self._running.get(one.id, (None,))[0] is watch:
                del self._running[one.id]
        if one.state is State.FAILED:
            _log.warning("download_failed", repo=one.repo, reason=one.problem)
        await self._changed()
        self._next()

    async def _bring(self, one: Download, watch: Watch) -> None:
        folder = self._places.models / one.folder
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        before = 0
        for file in one.files:
            counting = self._tasks.start("count", self._count(one, watch, before))
            try:
                await self._bring_file(one, file, folder, watch)
            finally:
                counting.cancel()
            before += file.size if file.size is not None else watch.done
            one.done = before
            watch.done = 0
            one.finished.add(file.name)
            await self._changed()
        await asyncio.to_thread(_place, folder, one.files)
        one.model = await self._arrived(folder / _base(one.files[0]))

    async def _bring_file(self, one: Download, file: HubFile, folder: Path, watch: Watch) -> None:
        path, part = folder / _base(file), _part(folder, file)

        def work() -> None:
            if path.exists():
                if check_whole(file, path, watch):
                    return
                raise Failed(f"{path} is there already and is another file. Move it away, then resume.")
            if file.name in one.finished and part.exists() and file.size == part.stat().st_size:
                return
            fetch(Source(self._hub, one.repo, one.commit, file), part, watch, pauses=self._limits.pauses)
            try:
                read_header(part)
            except GgufError as error:
                part.unlink(missing_ok=True)
                raise Failed(f"{file.name} {error}, so it is of no use. It was thrown away.") from None

        try:
            await aside(work, watch.ended)
        except Ended:
            raise asyncio.CancelledError from None

    async def _count(self, one: Download, watch: Watch, before: int) -> None:
        """Follows a transfer: how much has come, how fast, and whether it is being checked."""
        last, at = watch.done, self._clock.monotonic()
        while True:
            await self._clock.sleep(TELL_SECONDS)
            now = self._clock.monotonic()
            done, seconds = watch.done, max(now - at, 1e-3)
            # The first look only finds what had come before.
            if done >= last:
                fresh = (done - last) / seconds
                one.rate = fresh if one.rate is None else one.rate + _SMOOTH * (fresh - one.rate)
            last, at = done, now
            one.done = before + done
            if one.state in (State.RUNNING, State.CHECKING):
                one.state = State.CHECKING if watch.checking else State.RUNNING

    async def _tell(self) -> None:
        """Tells everybody about progress, at most twice a second."""
        while True:
            await self._clock.sleep(TELL_SECONDS)
            now = self.all()
            if now != self._told:
                self._told = now
                self._bus.publish(TOPIC, {"event": "downloads:changed", "downloads": now})

    async def _changed(self) -> None:
        """Keeps the list; the next round tells of it."""
        async with self._keeping:
            try:
                await asyncio.to_thread(keeping.keep, self._places.kept, list(self._downloads.values()))
            except OSError as error:
                _log.warning("downloads_not_kept", reason=error.strerror)

    def _there(self, one: Download) -> int:
        folder = self._places.models / one.folder
        count = 0
        for file in one.files:
            for path in (folder / _base(file), _part(folder, file)):
                if path.is_file():
                    count += min(path.stat().st_size, file.size if file.size is not None else path.stat().st_size)
                    break
        return count

    def _clear(self, one: Download) -> None:
        folder = self._places.models / one.folder
        others = {_base(file) for other in self._downloads.values() if other is not one and other.state is not State.DONE
                  and other.folder == one.folder for file in other.files}  # fmt: skip
        for file in one.files:
            if _base(file) not in others:
                _part(folder, file).unlink(missing_ok=True)
        one.finished.clear()
        with contextlib.suppress(OSError):
            folder.rmdir()


def _base(file: HubFile) -> str:
    return PurePosixPath(file.name).name


def _part(folder: Path, file: HubFile) -> Path:
    return folder / f".{_base(file)}.part"


def _place(folder: Path, files: Sequence[HubFile]) -> None:
    """Gives all files their names, the first one last: a model is found when it is whole."""
    for file in reversed(files):
        part, path = _part(folder, file), folder / _base(file)
        if part.exists():
            part.replace(path)
