"""Answers that failed, for the log of errors."""

from __future__ import annotations

from corral.inference.types import Record
from corral.telemetry.classification import ErrorLog


class AnswerErrors:
    """Notes them: see `inference.ports.Recorder`."""

    def __init__(self, errors: ErrorLog) -> None:
        self._errors = errors

    def record(self, record: Record) -> None:
        """See the port."""
        if record.outcome != "failed":
            return
        # What failed before its first word is told by an answer with a status, which writes its own line; turns have none.
        write = record.relayed > 0 or not record.ask.request_id
        asked = {"request": record.ask.request_id} if record.ask.request_id else {}
        self._errors.note_answer(record.error, write=write, route=record.route, **asked)
