"""A headless Chromium: what a page looks like when opened, and what it asked for."""

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
    # No name is found, so nothing leaves the machine even where a page asks for it.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
OF_THE_BROWSER = "not an origin"  # origin of requests by Chromium itself
PATIENCE = 120  # seconds


@dataclass(frozen=True)
class Page:
    """A page after its scripts have run, and the addresses that it asked for."""

    dom: str
    requests: list[str]


def find() -> str:
    """Return the path of Chromium; skip the test where there is none."""
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    pytest.skip("there is no Chromium: apt-get install chromium")


def open_page(path: Path, folder: Path, fragment: str = "") -> Page:
    """Open a file without a server; its log goes into a folder of its own."""
    log = folder / "net_log.json"
    done = _run(folder, f"--log-net-log={log}", "--dump-dom", _address(path, fragment))
    return Page(done, _requests(log))


def take_picture(
    path: Path, folder: Path, picture: Path, size: str, fragment: str = ""
) -> None:
    """Draw a file as PNG; the size of the window is "width,height" in pixels."""
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
        timeout=PATIENCE,
    ).stdout


def _requests(log: Path) -> list[str]:
    """List what was asked for over a network by a page, not by Chromium itself."""
    events = json.loads(log.read_text(encoding="utf-8"))
    started = events["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    return sorted(
        event["params"]["url"]
        for event in events["events"]
        if event["type"] == started
        and event.get("params", {}).get("initiator", OF_THE_BROWSER) != OF_THE_BROWSER
    )
