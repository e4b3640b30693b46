"""A server with one promise taken out, to see that the checks notice: `mutant_server.py MUTANT serve …`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any


def without_gate() -> None:
    """Tokens are shown before they are committed."""
    from corral.agents.runner import TurnRun, merge, number

    async def commit_batch(self: Any) -> None:
        batch, self._buffer = self._buffer, []
        self._room.set()
        events = number(merge(batch), self._offset)
        if events:
            self._shown(events)
            await self._saved(lambda: self._bench.log.append(self.turn.id, events))

    TurnRun._commit_batch = commit_batch  # type: ignore[method-assign]


def without_commit() -> None:
    """The writer answers before its transaction is committed; a flush of tokens is slow, and has a crash point."""
    from corral.agents.log_writer import LogWriter
    from corral.kit.faultpoints import reach
    from corral.store.writer import Writer

    run_one: Any = Writer._run_one
    append: Any = LogWriter._append
    appended: list[bool] = []

    def noted(self: Any, connection: Any, group: Any) -> None:
        append(self, connection, group)
        appended.append(True)

    def early(connection: Any, entry: Any, done: Any, failed: Any) -> None:
        run_one(connection, entry, done, failed)
        if done and done[-1][0] is entry:
            entry.future.set_result(done.pop()[1])
        if appended:
            appended.clear()
            time.sleep(0.4)
            reach("mutant.answered_before_commit")

    setattr(LogWriter, "_append", noted)  # noqa: B010
    setattr(Writer, "_run_one", staticmethod(early))  # noqa: B010


def without_fence() -> None:
    """Whoever writes to a turn may."""
    from sqlalchemy import insert, update

    from corral.agents import repository
    from corral.agents.tables import turn_events, turns

    def append_many(connection: Any, _: int, batches: Any) -> None:
        for turn_id, events in batches:
            last = events[-1].offset
            connection.execute(update(turns).where(turns.c.id == turn_id).values(next_offset=last + 1))
            rows = [repository._event_row(turn_id, event) for event in events]
            connection.execute(insert(turn_events).prefix_with("OR REPLACE"), rows)

    setattr(repository, "append_many", append_many)  # noqa: B010


def without_key() -> None:
    """A key is neither looked up nor kept, as if its unique index were not there."""
    from corral.agents import repository

    add_turn: Any = repository.add_turn

    def keyless(connection: Any, agent: Any, text: str, _: str | None, *rest: Any) -> Any:
        return add_turn(connection, agent, text, None, *rest)

    setattr(repository, "add_turn", keyless)  # noqa: B010
    setattr(repository, "turn_by_key", lambda *_: None)  # noqa: B010


def real() -> None:
    """Nothing is taken out."""


MUTANTS: dict[str, Callable[[], None]] = {
    "gate": without_gate,
    "commit": without_commit,
    "fence": without_fence,
    "key": without_key,
    "none": lambda: None,
}

if __name__ == "__main__":
    MUTANTS[sys.argv.pop(1)]()
    from corral.cli.main import run

    run()
