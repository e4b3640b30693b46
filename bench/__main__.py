"""Runs the benchmarks and prints a table: `python -m bench [--only NAME] [--quick] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from bench import (
    browser,
    dashboard,
    dataplane,
    dialects,
    lighthouse,
    models,
    peers,
    startup,
    swapping,
    table,
    together,
    turns,
)
from bench.frame import Result

BENCHMARKS = {
    "startup": startup.run,
    "dataplane": dataplane.run,
    "dialects": dialects.run,
    "turns": turns.run,
    "dashboard": dashboard.run,
    "swapping": swapping.run,
    "together": together.run,
    "models": models.run,
    "table": table.run,
    "browser": browser.run,
    "lighthouse": lighthouse.run,
    "peers": peers.run,
}


def main() -> int:
    """The exit code is 1 when a figure is beyond its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=sorted(BENCHMARKS), action="append")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    results = []
    for name in options.only or BENCHMARKS:
        for result in BENCHMARKS[name](quick=options.quick):
            results.append({"benchmark": name, **asdict(result), "holds": result.holds})
            print(
                f"{name:10} {result.name:58} {result.value:9.2f} {result.unit:14} {_limit(result):24} {result.note}",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    return 0 if all(result["holds"] for result in results) else 1


def _limit(result: Result) -> str:
    if result.limit is None and result.least is None:
        return ""
    wanted = f"at most {result.limit:g}" if result.limit is not None else f"at least {result.least:g}"
    return f"({wanted}{'' if result.holds else ': NOT REACHED'})"


if __name__ == "__main__":
    sys.exit(main())
