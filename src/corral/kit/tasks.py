"""Background tasks that have a name and an owner, are watched, and are stopped by their owner."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from corral.kit.context import request_id
from corral.kit.trace import current_trace

T = TypeVar("T")


class Tasks:
    """The tasks of one owner.

    A task that fails is logged with its name and its owner's; nobody has to await it. `stop` ends all of them.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._tasks: set[asyncio.Task[Any]] = set()
        self._log = logging.getLogger("corral.tasks")
        self._stopping = False

    def start(self, name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Runs `work` as a task. Raises RuntimeError after `stop`.

        It outlives the request that happens to begin it, so what it logs and does is not under that request's id and trace.
        """
        if self._stopping:
            work.close()
            raise RuntimeError(f"{self._owner} is stopping; {name} was not started")
        context = contextvars.copy_context()
        context.run(request_id.set, "")
        context.run(current_trace.set, None)
        task = asyncio.create_task(work, name=f"{self._owner}:{name}", context=context)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def names(self) -> list[str]:
        """The names of the tasks that run, sorted."""
        return sorted(task.get_name() for task in self._tasks)

    async def stop(self, grace: float = 5.0) -> None:
        """Cancels all tasks and waits up to `grace` seconds for them; names those that stay."""
        self._stopping = True
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        for task in tasks:
            task.cancel()
        if not tasks:
            return
        _, left = await asyncio.wait(tasks, timeout=grace)
        for task in left:
            self._log.error("task %s did not stop within %.1f s", task.get_name(), grace)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._log.error("task %s failed", task.get_name(), exc_info=error)
