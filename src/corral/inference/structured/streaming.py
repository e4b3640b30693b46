"""Streams of answers in a form: passed on as they come where the form is kept upstream, else held back until it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial

from corral.dialects.form import ChatEvent, ChatRequest
from corral.dialects.ports import About
from corral.dialects.registry import DIALECTS
from corral.inference.attempts.asking import Question
from corral.inference.attempts.candidates import Candidates
from corral.inference.attempts.relays import EventRelay, Relay
from corral.inference.attempts.streaming import StreamRun
from corral.inference.outlets import BytesOutlet, EventsOutlet
from corral.inference.structured.asking import StructuredAsking
from corral.inference.structured.outlets import CheckedBytes, CheckedEvents, CheckedRelay
from corral.inference.structured.run import StructuredRun


def structured_pieces(
    candidates: Candidates, asking: StructuredAsking, about: Callable[[], About]
) -> AsyncGenerator[bytes, None]:
    """To a client in its dialect. Raises CorralError before the first piece."""
    dialect, wanted = DIALECTS[asking.ask.dialect], asking.wanted
    run = StructuredRun(candidates, asking, wanted, about)
    if not run.passes():
        return run.pieces(BytesOutlet(dialect, about))
    candidates.attempts.record.structured = "streamed"
    outlet = CheckedBytes(dialect, about, wanted)

    def relay(question: Question) -> Relay[bytes]:
        spoken = DIALECTS[question.dialect]
        return CheckedRelay(spoken, outlet) if question.native else EventRelay(spoken, outlet)

    return StreamRun(candidates, asking, outlet, relay).pieces()


def structured_events(candidates: Candidates, asking: StructuredAsking) -> AsyncGenerator[Sequence[ChatEvent], None]:
    """To somebody of ours. Raises CorralError."""
    wanted = asking.wanted
    run = StructuredRun(candidates, asking, wanted, partial(_nobody, asking.request))
    if not run.passes():
        return run.pieces(EventsOutlet())
    outlet = CheckedEvents(wanted)
    return StreamRun(
        candidates, asking, outlet, lambda question: EventRelay(DIALECTS[question.dialect], outlet)
    ).pieces()


def _nobody(request: ChatRequest) -> About:
    return About("", request.model, 0, request)
