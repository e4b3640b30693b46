"""The table of errors as a page and as TypeScript, for tools/reference.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from corral.telemetry.classification import (
    BROWSER_ROWS,
    ENGINE_ROWS,
    SERVER_ROWS,
    STRATEGIES,
    Actor,
    Row,
    Severity,
    Step,
    Type,
    row_of,
)
from corral.telemetry.classification.types import REPEATING

Table = Callable[[Iterable[str], Iterable[Iterable[object]]], str]
_INTRO = """What every surface tells, in its own dialect. The table stands in `src/corral/telemetry/classification`; the web app reads the same one.

**Again** says whether the same request can succeed later. **Steps** are taken in order, each as often as the number in brackets says; those of the
server have been taken when an error is told. **Severity**: `low` is a slip of the caller, `medium` one answer lost, `high` a part that does not
work, `critical` a fault that needs a person. The server writes `high` and `critical` ones to its log (`error_told`, one line a second of each), and counts all of
them in `corral_errors_total` of `/metrics`, by type, severity, code and `where`: `http` and `socket` for what a client was told, `answer` for answers that
failed, in whatever way they were asked for.
"""
_SECTIONS = (
    ("The server", "Codes of answers and of Socket.IO. The status is that of HTTP.", SERVER_ROWS),
    ("Why an engine failed", "`details.code` of `engine_failed`, and `error.code` of a model, without `engine.`.", ENGINE_ROWS),
    ("The browser", "Codes of models that run on this device, and of the way to the server.", BROWSER_ROWS),
)  # fmt: skip


def page(table: Table) -> str:
    """The page."""
    parts = [_INTRO]
    for head, text, rows in _SECTIONS:
        parts.append(f"## {head}\n\n{text}\n")
        status = ("status",) if rows is SERVER_ROWS else ()
        parts.append(
            table(
                ("code", *status, "type", "severity", "again", "what happened", "what to do", "steps"),
                (
                    (
                        f"`{row.code}`",
                        *((row.status,) if status else ()),
                        row.type.value,
                        row.severity.value,
                        "yes" if row.retry else "no",
                        row.message,
                        row.action,
                        ", ".join(map(_step, row.steps)),
                    )
                    for row in rows
                ),
            )
        )
    parts.append("## Steps\n")
    parts.append(
        table(
            ("step", "who", "what"),
            ((f"`{name.value}`", f"the {actor.value}" if actor is not Actor.PERSON else "a person", text) for name, (actor, text) in STRATEGIES.items()),
        )
    )  # fmt: skip
    return "\n".join(parts)


def _step(step: Step) -> str:
    return f"`{step.strategy.value}`" + (f" ({step.tries})" if step.tries > 1 else "")


def typescript() -> str:
    """The module for the web app: rows of the server and of the browser, with the steps that are not the server's."""
    lines = [
        "// Written by tools/reference.py from src/corral/telemetry/classification; `make docs` writes it again.",
        "",
        f"export type ErrorType = {_union(one.value for one in Type)};",
        f"export type Severity = {_union(one.value for one in Severity)};",
        "/** Steps that the page takes by itself. */",
        f"export type PageStep = {_union(name.value for name, (actor, _) in STRATEGIES.items() if actor is Actor.PAGE)};",
        "/** Steps that a person has to take. */",
        f"export type PersonStep = {_union(name.value for name, (actor, _) in STRATEGIES.items() if actor is Actor.PERSON)};",
        "",
        "/** A step with its bounds: how often it is taken (else once), and the pause before it in milliseconds, doubling up to `longest`. */",
        "export interface Step {",
        "  readonly strategy: PageStep | PersonStep;",
        "  readonly tries?: number;",
        "  readonly pause?: number;",
        "  readonly longest?: number;",
        "}",
        "",
        "export interface ErrorRow {",
        "  readonly type: ErrorType;",
        "  readonly severity: Severity;",
        "  /** The HTTP status; null where no answer of the server has this code. */",
        "  readonly status: number | null;",
        "  /** Whether there is a way on without a person. */",
        "  readonly recoverable: boolean;",
        "  /** Whether the same again can help. */",
        "  readonly retry: boolean;",
        "  /** In order. */",
        "  readonly steps: readonly Step[];",
        "  /** What happened. */",
        "  readonly message: string;",
        "  /** What to do. */",
        "  readonly action: string;",
        "}",
        "",
        "export const ERRORS = {",
        *(_entry(row) for row in (*SERVER_ROWS, *BROWSER_ROWS)),
        "} as const satisfies Record<string, ErrorRow>;",
        "",
        "export type ErrorCode = keyof typeof ERRORS;",
        "/** Codes of models that run on this device. */",
        "export type LocalCode = Extract<ErrorCode, `device_${string}`>;",
        "",
        "/** Steps that the page takes by itself. */",
        f"export const PAGE_STEPS: readonly string[] = {json.dumps([name.value for name, (actor, _) in STRATEGIES.items() if actor is Actor.PAGE])};",
    ]  # fmt: skip
    return "\n".join(lines)


_PASSING = (Type.LIMIT, Type.SERVER, Type.STORAGE, Type.NETWORK)


def passing() -> str:
    """The module of the little that every page needs at once, so that the table itself can come later."""
    codes = [
        row.code
        for row in SERVER_ROWS
        if row.type in _PASSING and any(step.strategy in REPEATING and step.tries > 1 for step in row.steps)
    ]
    unreachable = row_of("unreachable")
    return "\n".join(
        [
            "// Written by tools/reference.py from src/corral/telemetry/classification; `make docs` writes it again.",
            "",
            "/** Codes of what passes by itself, before anything was done: the same request may be sent again. */",
            f"export const PASSING: ReadonlySet<string> = new Set({json.dumps(codes)});",
            f"export const UNREACHABLE = {json.dumps(f'{unreachable.message} {unreachable.action}')};",
        ]
    )


def _union(names: Iterable[str]) -> str:
    return " | ".join(f'"{name}"' for name in names)


def _entry(row: Row) -> str:
    steps = [
        _fields(
            {
                "strategy": json.dumps(step.strategy.value),
                "tries": step.tries,
                "pause": round(step.pause * 1000),
                "longest": round(step.longest * 1000),
            }
        )
        for step in row.steps
        if step.actor is not Actor.SERVER
    ]
    facts = {
        "type": json.dumps(row.type.value),
        "severity": json.dumps(row.severity.value),
        "status": json.dumps(row.status),
        "recoverable": json.dumps(row.recoverable),
        "retry": json.dumps(row.retry),
        "steps": f"[{', '.join(steps)}]",
        "message": json.dumps(row.message),
        "action": json.dumps(row.action),
    }
    return f"  {row.code}: {_fields(facts)},"


def _fields(facts: Mapping[str, object]) -> str:
    """An object of what differs from the defaults: no pause, one try."""
    told = (f"{name}: {value}" for name, value in facts.items() if not (name == "tries" and value == 1) and value != 0)
    return f"{{ {', '.join(told)} }}"
