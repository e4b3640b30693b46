"""Why an engine failed: the reasons behind `engine_failed` (`details.code` of the error, `error.code` of a model)."""

from __future__ import annotations

from corral.telemetry.classification.types import Row, Severity, Step, Strategy, Type

_HIGH = Severity.HIGH
_AGAIN = Step(Strategy.RESTART_ENGINE, tries=5, pause=1.0, longest=60.0)
_OTHER = Step(Strategy.OTHER_CANDIDATE, tries=16)
_RETRY = Step(Strategy.RETRY, tries=3, pause=1.0, longest=8.0)
_SETTINGS, _MODEL = Step(Strategy.CHANGE_SETTINGS), Step(Strategy.CHANGE_MODEL)
_MEMORY, _REPORT = Step(Strategy.FREE_MEMORY), Step(Strategy.REPORT)


def _reason(name: str, steps: tuple[Step, ...], message: str, action: str, severity: Severity = _HIGH) -> Row:
    # What made the answer fail may be over at the next try, so all of them may be tried again, as `engine_failed` says.
    return Row(f"engine.{name}", Type.ENGINE, severity, (*steps, _OTHER, _RETRY), message, action)


ENGINES = (
    _reason("out_of_memory", (_MEMORY, _SETTINGS), "There is not enough memory for the model.", "Use a smaller model, a shorter context or fewer slots."),
    _reason("killed", (_MEMORY, _AGAIN, _SETTINGS), "The system ended the engine, mostly for want of memory.", "Use a smaller model, or free memory."),
    _reason("no_room", (_MEMORY, _SETTINGS), "The models that are pinned or in use leave no room for this one.", "Stop another model, or raise the memory budget."),
    _reason("no_progress", (_AGAIN, _MODEL), "The engine made no progress while it started.", "The model may be too large for this machine."),
    _reason("crashed", (_AGAIN, _REPORT), "The engine crashed.", "It is started again; its last lines may tell why."),
    _reason("unresponsive", (_AGAIN,), "The engine does not answer any more.", "It is started again by itself."),
    _reason("port_taken", (_AGAIN,), "The engine's port was taken.", "Start it again."),
    _reason("unknown_flag", (_SETTINGS,), "The engine does not know one of its options.", "Look at its command, or at the version of the engine."),
    _reason("bad_option", (_SETTINGS,), "An option cannot be used with this model or on this machine.", "Change the model's options."),
    _reason("bad_settings", (_SETTINGS,), "The model's settings cannot be used.", "Correct them on the model's page."),
    _reason("unsupported_model", (_MODEL,), "This engine does not know the model's architecture.", "Use a newer engine, or another model."),
    _reason("bad_file", (_MODEL,), "The model's file is damaged or incomplete.", "Download it again."),
    _reason("not_found", (_SETTINGS,), "The engine's program or the model's file is not there.", "Look at the paths, and whether they may be read."),
    _reason("not_started", (_SETTINGS, _REPORT), "The engine's program could not be started.", "`corral doctor` tells more."),
    _reason("bad_key", (_SETTINGS,), "The engine refuses our key.", "Correct the key of the engine."),
    _reason("unreachable", (_AGAIN, _SETTINGS), "The engine cannot be reached.", "Start it, or correct its address."),
    _reason("internal", (_REPORT,), "Something went wrong in Corral while the engine started.", "The log has the details.", Severity.CRITICAL),
)  # fmt: skip
