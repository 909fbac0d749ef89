"""Test ``scripts/warehouse.py`` and its errors with moto's CloudFormation."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.loaders import create_loader
from dotenv import dotenv_values

import cloudformation_stand_in
import warehouse
from cloudformation_stand_in import MADE, CloudFormation, start_cloudformation
from sparkify.aws import stack as stacks
from sparkify.aws.parameters import address_range
from sparkify.dbt.profile import read_target
from sparkify.shared import project
from sparkify.shared.errors import SparkifyError
from warehouses import PROJECT

Run = Callable[..., int]
DATA = ("--data", "s3://raw-data/sparkify")
HOST = "sparkify.123456789012.eu-central-1.redshift-serverless.amazonaws.com"
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:redshift!sparkify"
LOADER = create_loader()
UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def server() -> Iterator[CloudFormation]:
    """Yield a server of CloudFormation for all tests of this file."""
    with start_cloudformation() as started:
        yield started


@pytest.fixture
def aws(
    server: CloudFormation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CloudFormation]:
    """Yield an empty account that boto3 uses, with its own .env."""
    server.clear()
    before = dict(os.environ)
    for name in before:
        if name.startswith(("AWS_", "SPARKIFY_")):
            monkeypatch.delenv(name)
    for name, value in {
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test-secret",
        "AWS_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    # Each command creates new clients. AWS's service definitions are read once.
    monkeypatch.setattr("botocore.session.create_loader", lambda _: LOADER)
    monkeypatch.setattr(project, "ENVIRONMENT", tmp_path / ".env")
    monkeypatch.setattr(stacks, "SECONDS_BETWEEN_LOOKS", 0.01)
    yield server
    # The command loads .env into this process.
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def run(aws: CloudFormation) -> Run:
    """Return the command as it runs in the empty account."""
    del aws
    return lambda *arguments: warehouse.main(arguments)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make boto3 retry at once. Other threads still use time.sleep."""
    at_once = SimpleNamespace(sleep=lambda _: None)
    monkeypatch.setattr("botocore.endpoint.time", at_once)


def written() -> dict[str, str | None]:
    return dotenv_values(project.ENVIRONMENT)


def check_error(text: str, *parts: str) -> None:
    """Check that an error has one line on the cause and one on what to do."""
    assert text.startswith("error: ")
    assert len(text.splitlines()) == 2
    for part in parts:
        assert part in text


# --- up, status, down ----------------------------------------------------------------


def test_up_creates_serverless_warehouse_and_writes_variables(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("up", *DATA, "--manifest", "s3://scratch/manifests") == 0
    printed = capsys.readouterr().out
    assert "CREATE_COMPLETE        Workgroup" in printed
    assert "8 to 16 RPUs" in printed
    assert "at most 16 RPU-hours a day, then queries are rejected" in printed
    assert "no addresses from outside" in printed
    assert "make build TARGET=redshift DATA=s3://raw-data/sparkify" in printed
    assert written().pop("SPARKIFY_REDSHIFT_ROLE")
    assert written().items() >= {
        ("SPARKIFY_REDSHIFT_HOST", HOST),
        ("SPARKIFY_REDSHIFT_PORT", "5439"),
        ("SPARKIFY_REDSHIFT_DATABASE", "dev"),
        ("SPARKIFY_REDSHIFT_USER", "sparkify_admin"),
        ("SPARKIFY_REDSHIFT_WORKGROUP", "sparkify"),
        ("SPARKIFY_REDSHIFT_REGION", "eu-central-1"),
        ("SPARKIFY_REDSHIFT_SECRET", ARN),
        ("SPARKIFY_REDSHIFT_MANIFEST", "s3://scratch/manifests"),
    }
    assert "SPARKIFY_REDSHIFT_CLUSTER" not in written()
    assert "SPARKIFY_REDSHIFT_PASSWORD" not in written()
    assert stat.S_IMODE(project.ENVIRONMENT.stat().st_mode) == 0o600


def test_profile_finds_warehouse_by_written_variables(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(PROJECT / "profiles.example.yml", tmp_path / "profiles.yml")
    monkeypatch.setenv("DBT_PROFILES_DIR", str(tmp_path))
    assert run("up", *DATA) == 0
    target = read_target("redshift")
    assert (target["host"], target["port"], target["dbname"]) == (HOST, "5439", "dev")
    assert (target["user"], target["cluster_id"]) == ("sparkify_admin", "")
    assert target["region"] == "eu-central-1"


def test_up_names_variables_that_shell_overrides(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPARKIFY_REDSHIFT_HOST", "elsewhere")
    monkeypatch.setenv("SPARKIFY_REDSHIFT_PORT", "5439")
    assert run("up", *DATA) == 0
    printed = capsys.readouterr().out
    assert "Variables of your shell override .env: SPARKIFY_REDSHIFT_HOST." in printed
    monkeypatch.setenv("SPARKIFY_REDSHIFT_HOST", HOST)
    assert run("up") == 0
    assert "your shell" not in capsys.readouterr().out


def test_existing_env_file_becomes_private(run: Run) -> None:
    project.ENVIRONMENT.write_text("OTHER=1\n", encoding="utf-8")
    project.ENVIRONMENT.chmod(0o644)
    assert run("up", *DATA) == 0
    assert stat.S_IMODE(project.ENVIRONMENT.stat().st_mode) == 0o600
    assert written()["OTHER"] == "1"


def test_second_up_changes_nothing(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("up", *DATA, "--address", "203.0.113.7/32", "--rpu-hours", "4") == 0
    before = written()
    capsys.readouterr()
    assert run("up") == 0
    printed = capsys.readouterr().out
    assert "There is nothing to change." in printed
    assert "203.0.113.7/32" in printed
    assert "at most 4 RPU-hours a day" in printed
    assert written() == before


def test_up_changes_only_named_options(
    run: Run, aws: CloudFormation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("up", *DATA) == 0
    assert run("up", "--address", "203.0.113.7/32", "--rpu-hours", "2") == 0
    assert MADE["workgroup"]["sparkify"]["PubliclyAccessible"] is True
    assert "at most 2 RPU-hours a day" in capsys.readouterr().out
    assert run("up", "--address", "none", "--set", "BaseCapacity=16") == 0
    assert MADE["workgroup"]["sparkify"]["PubliclyAccessible"] is False
    assert MADE["workgroup"]["sparkify"]["BaseCapacity"] == "16"
    assert aws.stack("sparkify").parameters["DataPrefix"] == "sparkify"
    assert "at most 2 RPU-hours a day" in capsys.readouterr().out


def test_up_creates_cluster_and_reports_hourly_cost(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("up", *DATA, "--provisioned", "--stack", "big-one") == 0
    printed = capsys.readouterr().out
    assert "1 x ra3.large" in printed
    assert "per hour, also while no query runs; it is paused by cron(" in printed
    assert written()["SPARKIFY_REDSHIFT_CLUSTER"] == "big-one"
    assert "SPARKIFY_REDSHIFT_WORKGROUP" not in written()
    assert boto3.client("redshift", "eu-central-1").describe_clusters(
        ClusterIdentifier="big-one"
    )["Clusters"][0]["Encrypted"]


def test_up_asks_before_it_deletes_tables(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("up", *DATA) == 0
    capsys.readouterr()
    assert run("up", "--provisioned") == 2
    check_error(capsys.readouterr().err, "deletes Namespace", "--yes")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert run("up", "--provisioned") == 2
    assert "Nothing was changed." in capsys.readouterr().err
    assert "sparkify" in MADE["namespace"]
    assert run("up", "--provisioned", "--yes") == 0
    assert MADE["namespace"] == {}
    assert written()["SPARKIFY_REDSHIFT_CLUSTER"] == "sparkify"
    assert "SPARKIFY_REDSHIFT_WORKGROUP" not in written()


def test_dry_run_prints_changes_and_creates_nothing(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("up", *DATA, "--dry-run") == 0
    printed = capsys.readouterr().out
    assert "  DataPrefix        sparkify\n" in printed
    assert "Add      Workgroup          AWS::RedshiftServerless::Workgroup" in printed
    assert run("status") == 0
    assert (
        "The stack sparkify does not exist in eu-central-1." in capsys.readouterr().out
    )
    assert not project.ENVIRONMENT.exists()
    assert run("up", *DATA) == 0
    assert run("up", "--dry-run") == 0
    assert "There is nothing to change." in capsys.readouterr().out
    assert run("up", "--dry-run", "--set", "MaxCapacity=32") == 0
    printed = capsys.readouterr().out
    assert "Modify   Workgroup" in printed
    assert MADE["workgroup"]["sparkify"]["MaxCapacity"] == "16"


def test_status_reports_stack_and_endpoint(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("up", *DATA) == 0
    capsys.readouterr()
    assert run("status") == 0
    printed = capsys.readouterr().out
    for part in (
        "sparkify in eu-central-1, CREATE_COMPLETE",
        f"{HOST}:5439",
        "AVAILABLE",
    ):
        assert part in printed


def test_down_asks_deletes_and_lists_remaining_data(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--snapshot", "--external", "--manifest", "s3://scratch")
    assert run("up", *DATA, *options) == 0
    project.save_variable("OTHER", "1")
    capsys.readouterr()
    assert run("down") == 2
    check_error(capsys.readouterr().err, "with all its tables", "--yes")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "")
    assert run("down") == 2
    assert "sparkify" in MADE["workgroup"]
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert run("down") == 0
    printed = capsys.readouterr().out
    for part in (
        "bucket raw-data",
        "bucket scratch",
        "Glue database",
        "CloudWatch",
        "a snapshot",
    ):
        assert part in printed
    assert MADE == {"namespace": {}, "workgroup": {}}
    assert written() == {"OTHER": "1"}
    assert run("down") == 0
    assert "does not exist" in capsys.readouterr().out


def test_down_keeps_variables_of_another_warehouse(run: Run) -> None:
    assert run("up", *DATA, "--stack", "old") == 0
    assert run("up", *DATA, "--stack", "new") == 0
    before = written()
    assert run("down", "--stack", "old", "--yes") == 0
    assert written() == before


def test_spark_is_created_and_deleted(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    spark = ("--engine", "spark")
    assert run("up", *spark, *DATA, "--lake", "s3://scratch/lake") == 0
    printed = capsys.readouterr().out
    assert "at most 16 vCPU, 64 GB, 200 GB at once" in printed
    assert "5 minutes after a job" in printed
    assert written()["SPARKIFY_SPARK_LAKE"] == "s3://scratch/lake"
    assert written()["SPARKIFY_SPARK_APPLICATION"]
    assert str(written()["SPARKIFY_SPARK_ROLE"]).startswith("arn:aws:iam::")
    assert run("status", *spark) == 0
    assert run("down", *spark, "--yes") == 0
    assert "the lake's files in the bucket scratch" in capsys.readouterr().out
    assert written() == {}


# --- Errors without a request to AWS -------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("up",), "A new stack needs --data"),
        (("up", "--data", "raw-data/sparkify"), "is not an s3:// address"),
        (("up", "--data", "s3://"), "has no bucket"),
        (("up", "--data", "s3://raw-data/a*"), "DataPrefix cannot be 'a*'"),
        (("up", "--data", "s3://Raw_Data"), "DataBucket cannot be 'Raw_Data'"),
        (("up", *DATA, "--address", "0.0.0.0/0"), "would allow 4,294,967,296"),
        (("up", *DATA, "--address", "203.0.113.7/24"), "is not a range of IPv4"),
        (("up", *DATA, "--set", "Nodes"), "has no value"),
        (("up", *DATA, "--set", "Node=1"), "has no parameter Node"),
        (("up", *DATA, "--set", "NodeType=dc2.large"), "NodeType cannot be"),
        (
            ("up", *DATA, "--provisioned", "--set", "NodeType=ra3.4xlarge"),
            "at least two nodes",
        ),
        (("up", *DATA, "--set", "BaseCapacity=1"), "BaseCapacity cannot be '1'"),
        (("up", *DATA, "--set", "VpcId=vpc-01"), "VpcId and SubnetIds together"),
        (("up", *DATA, "--lake", "s3://scratch/lake"), "has no parameter LakeBucket"),
        (("up", *DATA, "--rpu-hours", "0"), "has no effect"),
        (("up", *DATA, "--provisioned", "--rpu-hours", "1"), "has no effect"),
        (("up", *DATA, "--engine", "spark"), "A new stack needs --lake"),
        (("up", *DATA, "--stack", "My_Stack"), "is not a valid stack name"),
        (("down", "--yes", "--stack", "a--b"), "is not a valid stack name"),
    ],
)
def test_wrong_option_is_clear_error(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], wrong: str
) -> None:
    assert run(*arguments) == 2
    check_error(capsys.readouterr().err, wrong)
    assert MADE == {"namespace": {}, "workgroup": {}}


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8", "10.0.0.1/24", "::1/128"],
)
def test_wide_or_invalid_range_is_rejected(text: str) -> None:
    with pytest.raises(SparkifyError):
        address_range(text)


def test_single_address_is_range_of_one() -> None:
    assert address_range("203.0.113.7") == "203.0.113.7/32"


# --- Errors of AWS -------------------------------------------------------------------


def test_failed_creation_names_first_resource_and_reason(
    run: Run, aws: CloudFormation, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = "AWS::RedshiftServerless::Workgroup"
    aws.failing[kind] = "Insufficient free\n addresses (Service: RedshiftServerless)"
    assert run("up", *DATA) == 2
    captured = capsys.readouterr()
    check_error(
        captured.err,
        "could not be created",
        f"Workgroup ({kind}): Insufficient free addresses (Service: Redsh",
        "Fix it and run the command again.",
    )
    assert "CREATE_FAILED          Workgroup: Insufficient free" in captured.out
    assert not project.ENVIRONMENT.exists()
    assert run("status") == 0
    printed = capsys.readouterr().out
    assert "ROLLBACK_COMPLETE" in printed
    assert "The stack is incomplete. Workgroup" in printed


def test_up_deletes_failed_stack_and_creates_again(
    run: Run, aws: CloudFormation, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.failing["AWS::IAM::Role"] = "not authorized to perform: iam:CreateRole"
    assert run("up", *DATA) == 2
    capsys.readouterr()
    assert run("up", *DATA, "--dry-run") == 0
    assert "a failed attempt would be deleted" in capsys.readouterr().out
    assert run("up", *DATA) == 0
    printed = capsys.readouterr().out
    assert "An earlier attempt" in printed
    assert "iam:CreateRole. Deleting its empty remains." in printed
    assert written()["SPARKIFY_REDSHIFT_HOST"] == HOST


def test_failed_change_keeps_stack_and_variables(
    run: Run, aws: CloudFormation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("up", *DATA) == 0
    before = written()
    aws.failing["AWS::RedshiftServerless::Workgroup"] = "RPU 1024 is not available"
    assert run("up", "--set", "BaseCapacity=1024", "--set", "MaxCapacity=1024") == 2
    check_error(
        capsys.readouterr().err, "could not be changed", "The stack is unchanged"
    )
    assert MADE["workgroup"]["sparkify"]["BaseCapacity"] == "8"
    assert written() == before
    assert run("up") == 0


def test_failed_deletion_names_blocking_resource(
    run: Run, aws: CloudFormation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("up", *DATA) == 0
    aws.failing["AWS::RedshiftServerless::Workgroup"] = "An earlier failure"
    assert run("up", "--set", "BaseCapacity=16") == 2
    capsys.readouterr()
    aws.failing["AWS::EC2::VPC"] = "The vpc has dependencies and cannot be deleted"
    assert run("down", "--yes") == 2
    check_error(
        capsys.readouterr().err, "could not be deleted. Vpc (AWS::EC2::VPC)", "manually"
    )
    assert run("up") == 2
    check_error(capsys.readouterr().err, "is DELETE_FAILED. Vpc", "down, or fix it")
    assert run("down", "--yes") == 0


def test_up_and_down_wait_for_running_operations(
    run: Run,
    aws: CloudFormation,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("up", *DATA) == 0
    stack = aws.stack("sparkify")
    pauses: list[str] = []

    def ends(_: stacks.Stack, deadline: float, doing: str) -> None:
        assert deadline > time.monotonic()
        pauses.append(doing)
        stack.status = "UPDATE_COMPLETE"

    monkeypatch.setattr(stacks.Stack, "_pause", ends)
    stack.status = "UPDATE_IN_PROGRESS"
    assert run("up") == 0
    assert pauses == ["UPDATE_IN_PROGRESS"]
    assert "is UPDATE_IN_PROGRESS. Waiting until it ends" in capsys.readouterr().out
    stack.status = "UPDATE_IN_PROGRESS"
    assert run("down", "--yes") == 0
    assert run("status") == 0
    assert "does not exist" in capsys.readouterr().out


def test_up_waits_until_deadline_only(
    run: Run,
    aws: CloudFormation,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("up", *DATA) == 0
    aws.stack("sparkify").status = "UPDATE_IN_PROGRESS"
    monkeypatch.setattr(stacks, "MINUTES_UNTIL_DEADLINE", 0)
    assert run("up") == 2
    check_error(capsys.readouterr().err, "is still UPDATE_IN_PROGRESS after", "status")


def test_ctrl_c_reports_that_aws_continues(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stacks.Stack, "_follow", interrupt)
    assert run("up", *DATA) == 130
    assert "AWS continues" in capsys.readouterr().out


AWS_ERRORS = {
    "AccessDenied": ("User x is not authorized to perform it", "administrator"),
    "ExpiredToken": ("The security token has expired", "Log in again"),
    "InvalidClientTokenId": ("The security token is invalid", "AWS_PROFILE"),
    "Throttling": ("Rate exceeded", "Wait a minute"),
    "LimitExceededException": ("Too many stacks", "Service Quotas"),
    "SomethingNew": ("Out of order", "Run the command again"),
}


@pytest.mark.parametrize("code", AWS_ERRORS)
@pytest.mark.parametrize("action", ["DescribeStacks", "CreateChangeSet"])
@pytest.mark.usefixtures("no_waiting")
def test_error_of_aws_has_advice(
    run: Run,
    aws: CloudFormation,
    capsys: pytest.CaptureFixture[str],
    action: str,
    code: str,
) -> None:
    message, advice = AWS_ERRORS[code]
    aws.refused[action] = (code, message)
    assert run("up", *DATA) == 2
    printed = capsys.readouterr().err
    check_error(printed, code.removesuffix("Exception"), message, advice)
    assert "test-secret" not in printed


def test_failed_usage_limit_is_clear_error(
    run: Run, aws: CloudFormation, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.refused["CreateUsageLimit"] = ("AccessDeniedException", "no right to limit")
    assert run("up", *DATA) == 2
    check_error(
        capsys.readouterr().err, "daily limit cannot be set", "no right to limit"
    )
    aws.refused.clear()
    assert run("up") == 0
    assert len(cloudformation_stand_in.LIMITS) == 1


def test_missing_region_is_clear_error(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_REGION")
    assert run("status") == 2
    check_error(capsys.readouterr().err, "You must specify a region", "AWS_REGION")
    assert run("status", "--region", "eu-central-1") == 0


@pytest.mark.parametrize(
    ("variables", "parts"),
    [
        (
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
            ("there are no AWS credentials", "AWS_PROFILE"),
        ),
        ({"AWS_PROFILE": "unknown"}, ("unknown", "~/.aws/config")),
        ({"AWS_ENDPOINT_URL": UNREACHABLE}, ("Could not connect", "Check the network")),
    ],
)
@pytest.mark.usefixtures("no_waiting")
def test_wrong_variable_is_clear_error(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    parts: tuple[str, ...],
) -> None:
    """An empty value unsets the variable."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
        if not value:
            monkeypatch.delenv(name)
    assert run("status") == 2
    check_error(capsys.readouterr().err, *parts)


@pytest.mark.usefixtures("no_waiting")
def test_answer_not_from_aws_is_clear_error(
    run: Run, aws: CloudFormation, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.refused["DescribeStacks"] = ("<p>Log in to the proxy first", "x\n" * 1000)
    assert run("status") == 2
    printed = capsys.readouterr().err
    check_error(printed, "Unable to parse response", "Check the network")
    assert len(printed) < 1000
