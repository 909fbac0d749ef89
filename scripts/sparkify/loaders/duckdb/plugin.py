"""A dbt-duckdb plugin (profiles.yml): dbt waits for the file.

Without it, dbt fails with a traceback if another process has the file open.
"""

from __future__ import annotations

from typing import Any

import duckdb
from dbt.adapters.duckdb.credentials import (  # noqa: TID253 -- dbt loads this file
    DuckDBCredentials,
)
from dbt.adapters.duckdb.plugins import BasePlugin  # noqa: TID253 -- as above

from sparkify.loaders.duckdb.file import open_file
from sparkify.shared.errors import SparkifyError


class Plugin(BasePlugin):
    """Opens the file before dbt does, and closes it after dbt has opened it."""

    def update_connection_config(
        self, creds: DuckDBCredentials, config: dict[str, Any]
    ) -> None:
        """Open the file. Raises RuntimeError, which dbt prints without a traceback."""
        try:
            self._opened = open_file(creds.path, config)
        except SparkifyError as error:
            raise RuntimeError(str(error)) from error

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Close the file, because dbt has opened it as ``conn``."""
        del conn
        self._opened.close()
