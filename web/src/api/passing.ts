// Written by tools/reference.py from src/corral/telemetry/classification; `make docs` writes it again.

/** Codes of what passes by itself, before anything was done: the same request may be sent again. */
export const PASSING: ReadonlySet<string> = new Set(["request_timeout", "overloaded", "rate_limit_exceeded", "unavailable", "shutting_down", "storage_unavailable", "storage_full"]);
export const UNREACHABLE = "The server cannot be reached. This page tries again by itself.";
