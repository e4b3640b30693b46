"""A thread that writes what it is handed, so that nobody else ever waits for a disk or a terminal."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
_BATCH = 1000


class Drain(Generic[T]):
    """Hands items to `sink` in the order they came. When `limit` items wait, further ones are counted as lost.

    Args:
        name: of the thread.
        sink: takes a batch, and how many items were lost before it; returns how many of the batch it lost itself.
        gather: seconds to wait for company before a batch is handed on.
    """

    def __init__(
        self, name: str, sink: Callable[[list[T], int], int], *, limit: int = 20_000, gather: float = 0.0
    ) -> None:
        self._sink = sink
        self._limit = limit
        self._gather = gather
        self._items: queue.SimpleQueue[T | threading.Event] = queue.SimpleQueue()
        self._lost = 0
        self._told = 0
        # Somebody may log, and so put, at any moment, also within `put`.
        self._losing = threading.RLock()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Items that were lost since the start."""
        return self._lost

    def put(self, item: T) -> None:
        """Adds an item, at once; from any thread."""
        if self._items.qsize() >= self._limit:
            with self._losing:
                self._lost += 1
        else:
            self._items.put(item)

    def flush(self, seconds: float) -> bool:
        """Waits until all that was put is written; False when that takes longer."""
        reached = threading.Event()
        self._hurry.set()
        self._items.put(reached)
        return reached.wait(seconds)

    def _run(self) -> None:
        while True:
            first = self._items.get()
            if self._gather and not isinstance(first, threading.Event):
                self._hurry.wait(self._gather)
            batch, markers = self._collect(first)
            if batch:
                lost = self._lost
                dropped = self._sink(batch, lost - self._told)
                # What the sink could not write is told with the next batch that it can.
                self._told = lost if not dropped else self._told
                with self._losing:
                    self._lost += dropped
            if markers:
                self._hurry.clear()
            for marker in markers:
                marker.set()

    def _collect(self, first: T | threading.Event) -> tuple[list[T], list[threading.Event]]:
        batch: list[T] = []
        markers: list[threading.Event] = []
        item = first
        while True:
            if isinstance(item, threading.Event):
                markers.append(item)
            else:
                batch.append(item)
            if len(batch) >= _BATCH:
                return batch, markers
            try:
                item = self._items.get_nowait()
            except queue.Empty:
                return batch, markers
