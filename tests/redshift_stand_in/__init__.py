"""A stand-in for Amazon Redshift and the AWS services around it; see README.md."""

from __future__ import annotations

import json
import secrets
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import psycopg
import redshift_connector
from botocore.config import Config

from redshift_stand_in.aws import OF_TESTS, AwsServer, Faults, Layer
from redshift_stand_in.buckets import Buckets
from redshift_stand_in.certificate import make_certificate
from redshift_stand_in.copy import Copier
from redshift_stand_in.copy_source import CopySource
from redshift_stand_in.credentials import Credentials
from redshift_stand_in.data_api import DataApi
from redshift_stand_in.database import Databases
from redshift_stand_in.maintenance import maintain
from redshift_stand_in.proxy import Proxy, Wire
from redshift_stand_in.spectrum import Spectrum

USER = "awsuser"
ACCOUNT = "123456789012"
REGION = "us-west-2"
CLUSTER = "sparkify-cluster"
WORKGROUP = "sparkify-workgroup"
DATABASE = "dev"


@dataclass
class StandIn:
    """The running stand-in: addresses, credentials, and what a test may change."""

    host: str
    port: int
    endpoint_url: str
    user: str
    password: str
    region: str
    cluster: str
    workgroup: str
    role_arn: str
    secret_arn: str
    environment: dict[str, str]
    statements: list[str]
    conflicts: list[tuple[str, str]]
    """Statements that fail once: text that each contains, and its error message."""

    actions: set[str]
    """IAM actions that requests needed, without requests of the tests' own clients."""

    roles: dict[str, list[str]]
    databases: Databases = field(repr=False)
    data_api: DataApi = field(repr=False)
    credentials: Credentials = field(repr=False)
    faults: Faults = field(repr=False)
    buckets: Buckets = field(repr=False)
    clients: dict[str, Any] = field(default_factory=dict, repr=False)

    def create_database(self, name: str) -> None:
        """Create an empty database with Redshift's catalogue."""
        self.databases.create(name)

    def fail_next(self, operation: str, how: str, times: int = 1) -> None:
        """Make the next calls of an AWS operation fail.

        ``how`` is throttle, 500, expired, denied, reset, timeout, or lost answer (the
        operation runs, but its reply is lost).
        """
        self.faults.add(operation, how, times)

    def pause(self) -> None:
        """Pause the cluster. It then accepts no connection."""
        self.client("redshift").pause_cluster(ClusterIdentifier=self.cluster)
        self.credentials.is_paused = True

    def resume(self) -> None:
        """Resume the cluster."""
        self.client("redshift").resume_cluster(ClusterIdentifier=self.cluster)
        self.credentials.is_paused = False

    def set_health(self, database: str, table: str, **health: float) -> None:
        """Set unsorted, stats_off and skew_rows of a table in svv_table_info."""
        known = ("unsorted", "stats_off", "skew_rows")
        values = [health.get(name) for name in known]
        with self.databases.connect(database) as connection:
            connection.execute(
                "insert into redshift.health values (%s::regclass, %s, %s, %s)"
                " on conflict (relid) do update set unsorted = excluded.unsorted,"
                " stats_off = excluded.stats_off, skew_rows = excluded.skew_rows",
                [table, *values],
            )

    def query(self, database: str, sql: str) -> list[tuple[Any, ...]]:
        """Run a query through redshift_connector and return its rows.

        Quotes the schema raw, because RAW is a reserved word in Redshift.
        """
        sql = sql.replace(" raw.", ' "raw".')
        with redshift_connector.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=database,
            ssl=False,
        ) as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service."""
        if service not in self.clients:
            self.clients[service] = boto3.client(
                service,  # type: ignore[call-overload]
                endpoint_url=self.endpoint_url,
                region_name=self.region,
                aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
                config=Config(user_agent_extra=OF_TESTS),
            )
        return self.clients[service]

    def s3(self) -> Any:
        """Return the boto3 client of S3."""
        return self.client("s3")


@contextmanager
def start_stand_in(postgres_socket: str) -> Iterator[StandIn]:
    """Start the stand-in on free ports, and stop it at the end.

    ``postgres_socket`` is the folder of the PostgreSQL server's socket.
    """
    password = "Aa1" + secrets.token_hex(8)
    databases = Databases(postgres_socket, USER)
    statements: list[str] = []
    # Without an application name, a connection searches all modules for its caller.
    # That took 40 % of the time of a build.
    named = partial(redshift_connector.connect, application_name="test")
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(redshift_connector, "connect", named),
    ):
        certificate, key = make_certificate(Path(folder))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        credentials = Credentials(USER, password, CLUSTER, WORKGROUP)
        role = f"arn:aws:iam::{ACCOUNT}:role/sparkify-copy"
        buckets = Buckets(ACCOUNT, REGION)
        source = CopySource(buckets, {role: ["s3://"]}, role)
        caller = f"arn:aws:redshift:{REGION}:{ACCOUNT}:dbuser:{CLUSTER}/{{user}}"
        copier = Copier(source, databases, caller)
        spectrum = Spectrum(source, databases)

        def user_of(login: str, given: str) -> str | None:
            user = credentials.user_of(login, given)
            if user and user.startswith("IAM"):
                databases.ensure_user(user)
            return user

        wire = Wire(
            socket_folder=postgres_socket,
            user_of=user_of,
            context=context,
            own={
                "copy": copier.run,
                "external": spectrum.create,
                **dict.fromkeys(("alter", "analyze", "vacuum"), maintain),
            },
            refresh=spectrum.refresh,
            statements=statements,
        )
        proxy = Proxy(wire)
        port: int = proxy.server_address[1]

        def connect(user: str, database: str) -> psycopg.Connection:
            return psycopg.connect(
                host="127.0.0.1",
                port=port,
                user=user,
                password=credentials.make(user),
                dbname=database,
                sslmode="disable",
                autocommit=True,
            )

        data_api = DataApi(connect, credentials.user_of_request, wire.copy_ids)

        def json_operations(
            service: str, operation: str, body: dict[str, Any]
        ) -> dict[str, Any]:
            if service == "RedshiftData":
                return data_api.answer(operation, body)
            return credentials.serverless(operation, body)

        layer = Layer(json_operations, credentials.provisioned, buckets)
        credentials.actions = layer.actions
        server = AwsServer(layer)
        credentials.endpoint = ("127.0.0.1", port)
        environment = {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SSL_CERT_FILE": str(certificate),
        }
        stand_in = StandIn(
            host="127.0.0.1",
            port=port,
            endpoint_url=server.url,
            user=USER,
            password=password,
            region=REGION,
            cluster=CLUSTER,
            workgroup=WORKGROUP,
            role_arn=role,
            secret_arn="",
            environment=environment,
            statements=statements,
            conflicts=wire.conflicts,
            actions=layer.actions,
            databases=databases,
            roles=source.roles,
            data_api=data_api,
            credentials=credentials,
            faults=layer.faults,
            buckets=buckets,
        )
        try:
            _furnish(stand_in)
            credentials.secret = stand_in.client("secretsmanager").get_secret_value
            yield stand_in
        finally:
            server.stop()
            proxy.stop()


def _furnish(stand_in: StandIn) -> None:
    """Create a cluster and a secret with its login."""
    stand_in.client("redshift").create_cluster(
        ClusterIdentifier=stand_in.cluster,
        NodeType="ra3.xlplus",
        MasterUsername=stand_in.user,
        MasterUserPassword=stand_in.password,
        DBName=DATABASE,
        Port=stand_in.port,
    )
    login = {"username": stand_in.user, "password": stand_in.password}
    stand_in.secret_arn = stand_in.client("secretsmanager").create_secret(
        Name=f"sparkify-admin-{secrets.token_hex(4)}", SecretString=json.dumps(login)
    )["ARN"]
