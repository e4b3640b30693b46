"""What Lighthouse says of the first page: a real server, headless Chromium, Lighthouse's own simulated slow 4G and slow processor.

Lighthouse (Apache-2.0, npm, 176 MB) is fetched on first use into `.bench/` by a lock with digests; nothing of it is part of Corral.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import sync_playwright

from bench.frame import ROOT, Result, corral

FIRST_PICTURE_MS = 1_500.0
INTERACTIVE_MS = 3_000.0
ACCESSIBILITY = 100.0
PRACTICES = 95.0
SCRIPTS_KB = 500.0
PATIENCE = 300.0
TRIES = 3
"""Chromium on a busy machine now and then gives Lighthouse a recording without a beginning; then it is asked again."""
FLAGS = (
    "--headless=new --no-sandbox --disable-dev-shm-usage --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
LOCK = ROOT / "requirements" / "lighthouse"
FOLDER = ROOT / ".bench" / "lighthouse"


def run(*, quick: bool) -> list[Result]:
    """All figures. Raises RuntimeError when Lighthouse cannot be had or gives no report."""
    program = _install()
    with corral() as server:
        reports = [_report(program, server.url + "/") for _ in range(3 if quick else 5)]
    audits = [report["audits"] for report in reports]

    def middle(name: str) -> float:
        return float(median(audit[name]["numericValue"] for audit in audits))

    def worst(category: str) -> float:
        return 100 * float(min(report["categories"][category]["score"] for report in reports))

    scripts = median(_scripts(audit) for audit in audits)
    throttling = reports[0]["configSettings"]["throttling"]
    network = f"simulated 4G: {throttling['rttMs']:g} ms, {throttling['throughputKbps'] / 1000:.1f} Mbit/s, processor / {throttling['cpuSlowdownMultiplier']:g}"
    note = f"{network}; median of {len(reports)}"
    return [
        Result("first contentful paint", middle("first-contentful-paint"), "ms", FIRST_PICTURE_MS, note),
        Result("interactive", middle("interactive"), "ms", INTERACTIVE_MS, note),
        Result("largest contentful paint", middle("largest-contentful-paint"), "ms"),
        Result("total blocking time", middle("total-blocking-time"), "ms"),
        Result("performance", 100 * median(r["categories"]["performance"]["score"] for r in reports), ""),
        Result("accessibility", worst("accessibility"), "", least=ACCESSIBILITY),
        Result("best practices", worst("best-practices"), "", least=PRACTICES),
        Result("scripts of the first page", scripts, "kB", SCRIPTS_KB, "before compression, until it is at rest"),
    ]


def _scripts(audit: dict[str, Any]) -> float:
    """Kilobytes of all scripts that the page has loaded, before compression; what the service worker fetches later is not the page's."""
    rows = audit["network-requests"]["details"]["items"]
    return float(sum(row["resourceSize"] for row in rows if row.get("resourceType") == "Script")) / 1000


def _report(program: Path, url: str) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        told = Path(folder) / "report.json"
        command = [
            "node", str(program), url, "--quiet", "--output=json", f"--output-path={told}", f"--chrome-flags={FLAGS}",
            "--only-categories=performance,accessibility,best-practices", "--no-enable-error-reporting",
        ]  # fmt: skip
        environ = {**os.environ, "CHROME_PATH": _browser()}
        for _ in range(TRIES):
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, env=environ)
            if done.returncode == 0 and told.is_file():
                report: dict[str, Any] = json.loads(told.read_text())
                if report["categories"]["performance"]["score"] is not None:
                    return report
        raise RuntimeError(f"Lighthouse gave no report: {done.stderr[-500:]}")


def _browser() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found:
        return found
    with sync_playwright() as playwright:
        return str(playwright.chromium.executable_path)


def _install() -> Path:
    """Lighthouse's program, in the version of the lock. Raises RuntimeError."""
    program = FOLDER / "node_modules" / "lighthouse" / "cli" / "index.js"
    lock, copy = LOCK / "package-lock.json", FOLDER / "package-lock.json"
    if program.is_file() and copy.is_file() and copy.read_bytes() == lock.read_bytes():
        return program
    print("Installing Lighthouse into .bench/lighthouse", flush=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    shutil.copytree(LOCK, FOLDER)
    done = subprocess.run(
        ["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=FOLDER, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    if done.returncode != 0 or not program.is_file():
        raise RuntimeError(f"Lighthouse cannot be installed: {done.stderr[-500:]}")
    return program
