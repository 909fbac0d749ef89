"""Databases, created from a template that contains Redshift's catalogue."""

from __future__ import annotations

from pathlib import Path

import psycopg
from psycopg import sql

CATALOGUE = Path(__file__).with_name("catalogue.psql")
TEMPLATE = "redshift_template"
SETTINGS = {
    "standard_conforming_strings": "off",  # in Redshift a backslash escapes
    "escape_string_warning": "off",
    "timezone": "UTC",
}


class Databases:
    """The databases and users of a PostgreSQL server."""

    def __init__(self, socket_folder: str, user: str) -> None:
        self.socket_folder = socket_folder
        with self.connect("postgres") as connection:
            if not _has(connection, "pg_database where datname", TEMPLATE):
                self._make_template(connection)
        self.ensure_user(user, "superuser")

    def ensure_user(self, name: str, rights: str = "nosuperuser") -> None:
        """Create a user if it does not exist."""
        with self.connect("postgres") as connection:
            if not _has(connection, "pg_roles where rolname", name):
                connection.execute(
                    sql.SQL(f"create role {{}} {rights} login").format(
                        sql.Identifier(name)
                    )
                )

    def connect(self, database: str) -> psycopg.Connection:
        """Connect to PostgreSQL without the proxy, as superuser."""
        return psycopg.connect(
            host=self.socket_folder, user="postgres", dbname=database, autocommit=True
        )

    def create(self, name: str) -> None:
        """Create a database."""
        with self.connect("postgres") as connection:
            connection.execute(
                sql.SQL("create database {} template {}").format(
                    sql.Identifier(name), sql.Identifier(TEMPLATE)
                )
            )
            for setting, value in SETTINGS.items():
                connection.execute(
                    sql.SQL("alter database {} set {} = {}").format(
                        sql.Identifier(name), sql.Identifier(setting), value
                    )
                )

    def _make_template(self, connection: psycopg.Connection) -> None:
        connection.execute(
            sql.SQL(
                "create database {} template template0 encoding 'UTF8'"
                " lc_collate 'C' lc_ctype 'C.UTF-8'"
            ).format(sql.Identifier(TEMPLATE))
        )
        with self.connect(TEMPLATE) as template:
            template.execute(CATALOGUE.read_bytes())


def _has(connection: psycopg.Connection, where: str, name: str) -> bool:
    query = f"select 1 from {where} = %s"
    return bool(connection.execute(query.encode(), [name]).fetchall())
