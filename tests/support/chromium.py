"""Headless Chromium: the DOM of an opened page, its picture and its requests."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    # No host name resolves, so no request leaves the machine.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
BROWSER_ORIGIN = "not an origin"  # of requests by Chromium itself
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Page:
    """The DOM of a page after its scripts ran, and the sorted URLs it requested."""

    dom: str
    requests: list[str]


def find() -> str:
    """Return the path of Chromium; skip the test if it is not installed."""
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    pytest.skip("there is no Chromium: apt-get install chromium")


def open_page(path: Path, folder: Path, fragment: str = "") -> Page:
    """Open a file without a server; the profile and log go into ``folder``."""
    log = folder / "net_log.json"
    dom = _run(folder, f"--log-net-log={log}", "--dump-dom", _address(path, fragment))
    return Page(dom, _requests(log))


def take_picture(
    path: Path, folder: Path, picture: Path, size: str, fragment: str = ""
) -> None:
    """Save a PNG of a file; ``size`` is "width,height" of the window in pixels."""
    _run(
        folder,
        f"--window-size={size}",
        f"--screenshot={picture}",
        _address(path, fragment),
    )


def _address(path: Path, fragment: str) -> str:
    return path.resolve().as_uri() + fragment


def _run(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        [
            find(),
            *FLAGS,
            f"--user-data-dir={folder / 'profile'}",
            "--virtual-time-budget=20000",
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    ).stdout


def _requests(log: Path) -> list[str]:
    """Return the sorted URLs that a page requested, without Chromium's own."""
    events = json.loads(log.read_text(encoding="utf-8"))
    started = events["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    return sorted(
        event["params"]["url"]
        for event in events["events"]
        if event["type"] == started
        and event.get("params", {}).get("initiator", BROWSER_ORIGIN) != BROWSER_ORIGIN
    )
