"""`corral pull`: a model from the hub, with a bar."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from corral.cli.client import Client
from corral.cli.output import human_size, plain, print_json, table

LOOK_SECONDS = 120.0
POLL_SECONDS = 0.5
_MOVING = ("queued", "running", "checking")
_WIDTH = 30
_CLEAR_LINE = "\r\x1b[K"


@dataclass(frozen=True, slots=True)
class Pull:
    """What is wanted: a repository, perhaps with a quantisation behind a colon, at a revision."""

    repo: str
    revision: str | None = None
    as_json: bool = False


def show_choices(client: Client, wanted: Pull) -> int:
    """Prints what a repository offers and what of it fits; the exit code."""
    query = {"repo": wanted.repo, **({"revision": wanted.revision} if wanted.revision else {})}
    look = client.must("GET", f"/api/downloads/look?{urlencode(query)}", seconds=LOOK_SECONDS)
    if wanted.as_json:
        print_json(look)
        return 0
    rows = (
        (
            choice["quant"], human_size(choice["size"]), human_size((choice["fit"] or {}).get("total")),
            (choice["fit"] or {}).get("verdict", ""), "recommended" if choice["recommended"] else "",
        )
        for choice in look["choices"]
    )  # fmt: skip
    table(("quantization", "download", "memory", "this machine", ""), rows)
    return 0


def pull(client: Client, wanted: Pull) -> int:
    """Starts a download and follows it to its end; the exit code. It goes on in the server when this is interrupted."""
    body = {"repo": wanted.repo, **({"revision": wanted.revision} if wanted.revision else {})}
    one = client.must("POST", "/api/downloads", body, seconds=LOOK_SECONDS)
    bar = sys.stderr.isatty() and not wanted.as_json
    try:
        one = _follow(client, one, bar)
    except KeyboardInterrupt:
        sys.stderr.write("\nThe download goes on in the server.\n")
        raise
    if wanted.as_json:
        print_json(one)
    elif one["state"] == "done":
        sys.stdout.write(f"{plain(one['model'] or one['repo'])}: {human_size(one['done'])}, checked.\n")
    if one["state"] == "done":
        return 0
    sys.stderr.write(f"corral: {plain(one['problem'] or 'the download was ' + one['state'])}\n")
    return 1


def _follow(client: Client, one: dict[str, Any], bar: bool) -> dict[str, Any]:
    def told(text: str) -> None:
        sys.stderr.write(f"{_CLEAR_LINE if bar else ''}{text}\n")

    path = f"/api/downloads/{quote(one['id'])}"
    if not bar:
        told(f"{plain(one['repo'])} {plain(one['quant'] or '')}: {human_size(one['total'])}")
    while one["state"] in _MOVING:
        if bar:
            sys.stderr.write(_CLEAR_LINE + line(one))
            sys.stderr.flush()
        time.sleep(POLL_SECONDS)
        one = client.patiently(lambda: client.ask("GET", path), told)
    if bar:
        sys.stderr.write(_CLEAR_LINE)
    return one


def line(one: dict[str, Any]) -> str:
    """One line that shows how far a download is."""
    done, total = one["done"], one["total"]
    share = min(1.0, done / total) if total else 0.0
    filled = round(share * _WIDTH)
    parts = [
        plain(one["quant"] or one["repo"]),
        "█" * filled + "░" * (_WIDTH - filled),
        f"{share:4.0%}" if total else "",
        f"{human_size(done)} of {human_size(total)}" if total else human_size(done),
        f"{human_size(one['rate'])}/s" if one["rate"] else one["state"],
        f"{_clock(one['eta'])} left" if one["eta"] is not None else "",
    ]
    return "  ".join(part for part in parts if part)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
