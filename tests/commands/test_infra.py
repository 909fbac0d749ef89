"""Test the CloudFormation templates: network access, rights of roles, and cost.

``templates.resolve`` resolves each form of a template. ``may`` evaluates the policies
of a role as IAM does.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import yaml

import warehouse
from sparkify.aws import facts as warehouse_facts
from sparkify.aws import warehouse as aws_warehouse
from sparkify.aws.templates import check, defaults, read_template, resolve
from sparkify.shared.errors import SparkifyError
from warehouses import PROJECT

DATA: Final = {"DataBucket": "raw-data", "DataPrefix": "sparkify"}
OPEN: Final = {"Address": "203.0.113.7/32"}
EXTRAS: Final = {
    "ManifestBucket": "scratch",
    "ManifestPrefix": "manifests",
    "ExternalDatabase": "sparkify",
    "FinalSnapshot": "Snapshot",
}
YOUR_NETWORK: Final = {"VpcId": "vpc-0123", "SubnetIds": "subnet-0a,subnet-0b"}
PROVISIONED: Final = {"Provisioned": "true"}
LAKE: Final = DATA | {"LakeBucket": "scratch", "LakePrefix": "lake"}
FORMS: Final[Mapping[tuple[str, str], Mapping[str, str]]] = {
    ("redshift", "serverless"): DATA,
    ("redshift", "serverless-open"): DATA | OPEN | EXTRAS,
    ("redshift", "serverless-in-your-network"): DATA | OPEN | YOUR_NETWORK,
    ("redshift", "provisioned"): DATA | PROVISIONED,
    ("redshift", "provisioned-open"): DATA | PROVISIONED | OPEN | EXTRAS,
    ("redshift", "provisioned-in-your-network"): DATA | PROVISIONED | YOUR_NETWORK,
    ("emr", "whole-bucket"): {
        "DataBucket": "raw-data",
        "LakeBucket": "scratch",
        "LakePrefix": "lake",
    },
    ("emr", "prefix"): LAKE,
}
_, REDSHIFT = read_template("redshift")
_, EMR = read_template("emr")
LOCATIONS = ("Data", "Manifest", "Lake")
MAX_TEMPLATE_BYTES = 51_200
"""Size of a template that CloudFormation accepts without a bucket."""

STATEMENT: Final = {"Sid", "Effect", "Action", "Resource", "Condition"}
"""The keys that a statement of a policy may have."""

Template = Mapping[str, Any]


def form(*values: Mapping[str, str], of: Template = REDSHIFT) -> dict[str, Any]:
    """Return the resources of a template with these parameters."""
    given: dict[str, str] = {}
    for some in values:
        given |= some
    return dict(resolve(of, given)["Resources"])


def all_forms() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the resources of each form of the templates."""
    for (template, name), values in FORMS.items():
        of = REDSHIFT if template == "redshift" else EMR
        yield f"{template}-{name}", form(values, of=of)


def of_type(resources: Template, kind: str) -> dict[str, Any]:
    return {
        name: resource["Properties"]
        for name, resource in resources.items()
        if resource["Type"] == kind
    }


def strings(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def statements_of(role: Template) -> list[dict[str, Any]]:
    return [s for p in role["Policies"] for s in p["PolicyDocument"]["Statement"]]


def matches(text: str, patterns: str | list[str]) -> bool:
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in strings(patterns))


def may(role: Template, action: str, resource: str, **context: str) -> bool:
    """Return whether a role's policies allow an action, by IAM's rules used here."""
    for statement in statements_of(role):
        assert set(statement) <= STATEMENT
        assert statement["Effect"] == "Allow"
        condition = statement.get("Condition", {"StringLike": {}})
        assert set(condition) == {"StringLike"}
        if (
            matches(action, statement["Action"])
            and matches(resource, statement["Resource"])
            and all(
                matches(context.get(key.removeprefix("s3:"), ""), allowed)
                for key, allowed in condition["StringLike"].items()
            )
        ):
            return True
    return False


# --- Rights of COPY and of jobs ------------------------------------------------------


def test_copy_reads_only_its_prefix() -> None:
    role = form(DATA)["CopyRole"]["Properties"]
    bucket = "arn:aws:s3:::raw-data"
    assert may(role, "s3:GetObject", f"{bucket}/sparkify/log_data/2018/11/a.json")
    assert may(role, "s3:ListBucket", bucket, prefix="sparkify/log_data")
    assert may(role, "s3:GetBucketLocation", bucket)
    for key in ("sparkify", "sparkify2/a.json", "other/a.json", "a.json"):
        assert not may(role, "s3:GetObject", f"{bucket}/{key}")
    for prefix in ("", "s", "sparkify2", "other/sparkify/"):
        assert not may(role, "s3:ListBucket", bucket, prefix=prefix)
    for other in ("arn:aws:s3:::raw-data2", "arn:aws:s3:::scratch"):
        assert not may(role, "s3:GetObject", f"{other}/sparkify/a.json")
        assert not may(role, "s3:ListBucket", other, prefix="sparkify/")
    for action in ("s3:PutObject", "s3:DeleteObject", "s3:GetBucketPolicy"):
        assert not may(role, action, f"{bucket}/sparkify/a.json")
    for action in ("glue:GetTable", "iam:PassRole", "sts:AssumeRole", "kms:Decrypt"):
        assert not may(role, action, "arn:aws:glue:us-west-2:123456789012:catalog")


def test_copy_reads_whole_bucket_without_prefix() -> None:
    role = form({"DataBucket": "udacity-dend"})["CopyRole"]["Properties"]
    bucket = "arn:aws:s3:::udacity-dend"
    assert may(role, "s3:GetObject", f"{bucket}/log_data/2018/11/a.json")
    assert may(role, "s3:ListBucket", bucket, prefix="")
    assert not may(role, "s3:GetObject", "arn:aws:s3:::udacity-dend-2/a.json")


def test_copy_reads_manifests_only_if_requested() -> None:
    manifest = "arn:aws:s3:::scratch/manifests/1.json"
    assert not may(form(DATA)["CopyRole"]["Properties"], "s3:GetObject", manifest)
    role = form(DATA, EXTRAS)["CopyRole"]["Properties"]
    assert may(role, "s3:GetObject", manifest)
    assert may(role, "s3:ListBucket", "arn:aws:s3:::scratch", prefix="manifests/1/")
    assert not may(role, "s3:ListBucket", "arn:aws:s3:::scratch", prefix="")
    assert not may(role, "s3:PutObject", manifest)
    assert not may(role, "s3:GetObject", "arn:aws:s3:::scratch/manifests2/1.json")
    whole = form(DATA, {"ManifestBucket": "scratch"})["CopyRole"]["Properties"]
    assert may(whole, "s3:GetObject", "arn:aws:s3:::scratch/1.json")


def test_glue_access_is_one_database_in_external_mode() -> None:
    catalogue = "arn:aws:glue:us-west-2:123456789012"
    role = form(DATA, EXTRAS)["CopyRole"]["Properties"]
    for resource in ("catalog", "database/sparkify", "table/sparkify/staging_events"):
        assert may(role, "glue:GetTable", f"{catalogue}:{resource}")
        assert not may(
            form(DATA)["CopyRole"]["Properties"],
            "glue:GetTable",
            f"{catalogue}:{resource}",
        )
    for resource in ("database/other", "table/other/t", "database/sparkify2"):
        assert not may(role, "glue:CreateTable", f"{catalogue}:{resource}")
    for action in ("glue:DeleteDatabase", "glue:GetConnection", "glue:StartJobRun"):
        assert not may(role, action, f"{catalogue}:catalog")


def test_job_reads_one_prefix_and_writes_another() -> None:
    role = form(LAKE, of=EMR)["JobRole"]["Properties"]
    raw, lake = "arn:aws:s3:::raw-data", "arn:aws:s3:::scratch"
    assert may(role, "s3:GetObject", f"{raw}/sparkify/log_data/a.json")
    assert may(role, "s3:ListBucket", raw, prefix="sparkify/")
    assert not may(role, "s3:GetObject", f"{raw}/other/a.json")
    assert not may(role, "s3:ListBucket", raw, prefix="")
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
        assert may(role, action, f"{lake}/lake/analytics/songplays/a.parquet")
        assert not may(role, action, f"{lake}/lake2/a.parquet")
        assert not may(role, action, f"{lake}/a.parquet")
    for action in ("s3:PutObject", "s3:DeleteObject"):
        assert not may(role, action, f"{raw}/sparkify/log_data/a.json")


def test_job_may_change_two_databases_only() -> None:
    resources = form(LAKE, of=EMR)
    role = resources["JobRole"]["Properties"]
    catalogue = "arn:aws:glue:us-west-2:123456789012"
    for name in ("RawTables", "StarTables"):
        assert may(role, "glue:CreateTable", f"{catalogue}:table/${{{name}}}/t")
        location = resources[name]["Properties"]["DatabaseInput"]["LocationUri"]
        assert location.startswith("s3://scratch/lake/")
    assert not may(role, "glue:CreateTable", f"{catalogue}:table/default/t")
    assert may(role, "glue:GetDatabase", f"{catalogue}:database/default")
    assert not may(role, "glue:DeleteDatabase", f"{catalogue}:database/${{RawTables}}")


def test_every_role_trusts_only_aws_services() -> None:
    for name, resources in all_forms():
        roles = of_type(resources, "AWS::IAM::Role")
        assert roles, name
        for role in roles.values():
            (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
            assert statement["Action"] == "sts:AssumeRole"
            (kind,) = statement["Principal"]
            assert kind == "Service", name
            for service in strings(statement["Principal"]["Service"]):
                assert re.fullmatch(
                    r"(redshift|redshift-serverless|scheduler\.redshift|emr-serverless)"
                    r"\.amazonaws\.com",
                    service,
                ), name


def test_no_role_has_wildcard_actions_or_resources() -> None:
    for name, resources in all_forms():
        for role in of_type(resources, "AWS::IAM::Role").values():
            assert not {"ManagedPolicyArns", "PermissionsBoundary"} & set(role), name
            for statement in statements_of(role):
                # No NotAction, NotResource or Deny: IAM denies all other actions.
                assert set(statement) <= STATEMENT, name
                assert statement["Effect"] == "Allow", name
                assert "*" not in str(statement).replace("/*", ""), name
                for action in strings(statement["Action"]):
                    assert action.split(":")[0] in ("s3", "glue", "redshift"), name


# --- Network access ------------------------------------------------------------------


@pytest.mark.parametrize("size", [{}, PROVISIONED], ids=["serverless", "provisioned"])
@pytest.mark.parametrize("network", [{}, YOUR_NETWORK], ids=["own", "yours"])
def test_no_ingress_without_an_address(
    size: Mapping[str, str], network: Mapping[str, str]
) -> None:
    closed, opened = form(DATA, size, network), form(DATA, size, network, OPEN)
    name = "Cluster" if size else "Workgroup"
    assert closed[name]["Properties"]["PubliclyAccessible"] is False
    assert not of_type(closed, "AWS::EC2::InternetGateway")
    assert not of_type(closed, "AWS::EC2::Route")
    assert "SecurityGroupIngress" not in closed["SecurityGroup"]["Properties"]
    (rule,) = opened["SecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert rule["CidrIp"] == OPEN["Address"]
    assert (rule["FromPort"], rule["ToPort"]) == (5439, 5439)
    is_public = opened[name]["Properties"]["PubliclyAccessible"]
    assert is_public is (not network)
    assert bool(of_type(opened, "AWS::EC2::InternetGateway")) is is_public


def test_no_open_range_and_no_nat_gateway() -> None:
    for name, resources in all_forms():
        for kind in ("AWS::EC2::NatGateway", "AWS::EC2::VPCEndpoint", "AWS::EC2::EIP"):
            assert not of_type(resources, kind), name
        for group in of_type(resources, "AWS::EC2::SecurityGroup").values():
            (egress,) = group["SecurityGroupEgress"]
            assert egress["CidrIp"] == "127.0.0.1/32", name
            for rule in group.get("SecurityGroupIngress", ()):
                assert ipaddress.ip_network(rule["CidrIp"]).prefixlen >= 16, name
        for rule in of_type(resources, "AWS::EC2::SecurityGroupIngress").values():
            assert rule["SourceSecurityGroupId"] == {"Ref": "SecurityGroup"}, name


def test_every_ingress_rule_has_one_port_and_description() -> None:
    for name, resources in all_forms():
        rules = list(of_type(resources, "AWS::EC2::SecurityGroupIngress").values())
        for group in of_type(resources, "AWS::EC2::SecurityGroup").values():
            assert group["GroupDescription"], name
            assert all(rule["Description"] for rule in group["SecurityGroupEgress"])
            rules += group.get("SecurityGroupIngress", ())
        for rule in rules:
            assert rule["Description"], name
            ports = rule["IpProtocol"], rule["FromPort"], rule["ToPort"]
            assert ports == ("tcp", 5439, 5439), name


def test_warehouse_network_has_no_public_addresses() -> None:
    for name, resources in all_forms():
        for subnet in of_type(resources, "AWS::EC2::Subnet").values():
            assert subnet["MapPublicIpOnLaunch"] is False, name
        for workgroup in of_type(
            resources, "AWS::RedshiftServerless::Workgroup"
        ).values():
            assert workgroup["SecurityGroupIds"] == [{"Ref": "SecurityGroup"}], name
            assert len(workgroup["SubnetIds"]) == 2, name
        for cluster in of_type(resources, "AWS::Redshift::Cluster").values():
            assert cluster["VpcSecurityGroupIds"] == [{"Ref": "SecurityGroup"}], name
            assert cluster["ClusterSubnetGroupName"] == {"Ref": "SubnetGroup"}, name
            assert len(resources["SubnetGroup"]["Properties"]["SubnetIds"]) == 2, name


def test_template_rejects_wide_range() -> None:
    wide = ("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8", "::/0")
    for address in (*wide, "203.0.113.7", "x"):
        with pytest.raises(SparkifyError):
            check(REDSHIFT, "Address", address)


def test_public_warehouse_requires_gateway_attachment() -> None:
    for size, name in (({}, "Workgroup"), (PROVISIONED, "Cluster")):
        opened = form(DATA, size, OPEN)[name]["Properties"]
        assert "GatewayAttachment" in str(opened["Tags"])
        assert "GatewayAttachment" not in str(form(DATA, size)[name])


def test_subnets_are_in_network_without_overlap() -> None:
    resources = form(DATA)
    (network,) = of_type(resources, "AWS::EC2::VPC").values()
    subnets = of_type(resources, "AWS::EC2::Subnet").values()
    zones = {str(subnet["AvailabilityZone"]) for subnet in subnets}
    assert len(zones) == 2
    ranges = [ipaddress.IPv4Network(subnet["CidrBlock"]) for subnet in subnets]
    network_range = ipaddress.IPv4Network(network["CidrBlock"])
    assert all(a.subnet_of(network_range) for a in ranges)
    assert not any(a.overlaps(b) for a in ranges for b in ranges if a is not b)


# --- Encryption, logs, limits, snapshots ---------------------------------------------


def test_cluster_is_encrypted_and_requires_tls() -> None:
    resources = form(DATA, PROVISIONED)
    cluster = resources["Cluster"]["Properties"]
    assert cluster["Encrypted"] is True
    assert cluster["AllowVersionUpgrade"] is True
    assert cluster["ClusterParameterGroupName"] == {"Ref": "ParameterGroup"}
    parameters = resources["ParameterGroup"]["Properties"]["Parameters"]
    assert {"ParameterName": "require_ssl", "ParameterValue": "true"} in parameters


def test_workgroup_requires_tls() -> None:
    """Redshift Serverless always encrypts its storage."""
    parameters = form(DATA)["Workgroup"]["Properties"]["ConfigParameters"]
    assert {"ParameterKey": "require_ssl", "ParameterValue": "true"} in parameters


def test_template_contains_no_password() -> None:
    assert form(DATA)["Namespace"]["Properties"]["ManageAdminPassword"] is True
    cluster = form(DATA, PROVISIONED)["Cluster"]["Properties"]
    assert cluster["ManageMasterPassword"] is True
    for name in ("redshift", "emr"):
        text, template = read_template(name)
        assert not re.search(r"(Admin|Master)UserPassword", text)
        assert not [p for p in template["Parameters"] if "password" in p.lower()]


def test_connections_and_queries_are_logged() -> None:
    logs = {"userlog", "connectionlog", "useractivitylog"}
    serverless, provisioned = form(DATA), form(DATA, PROVISIONED)
    assert set(serverless["Namespace"]["Properties"]["LogExports"]) == logs
    workgroup = serverless["Workgroup"]["Properties"]["ConfigParameters"]
    group = provisioned["ParameterGroup"]["Properties"]["Parameters"]
    for key, parameters in (("Key", workgroup), ("Name", group)):
        values = {p[f"Parameter{key}"]: p["ParameterValue"] for p in parameters}
        assert values["enable_user_activity_logging"] == "true"
    logging = provisioned["Cluster"]["Properties"]["LoggingProperties"]
    assert logging["LogDestinationType"] == "cloudwatch"
    assert set(logging["LogExports"]) == logs


def test_default_is_smallest_capacity() -> None:
    workgroup = form(DATA)["Workgroup"]["Properties"]
    assert (workgroup["BaseCapacity"], workgroup["MaxCapacity"]) == ("8", "16")
    cluster = form(DATA, PROVISIONED)["Cluster"]["Properties"]
    assert (cluster["NodeType"], cluster["ClusterType"]) == ("ra3.large", "single-node")
    assert "NumberOfNodes" not in cluster
    large = form(DATA, PROVISIONED, {"Nodes": "3"})["Cluster"]["Properties"]
    assert (large["ClusterType"], large["NumberOfNodes"]) == ("multi-node", "3")


def test_cluster_is_paused_and_its_extras_limited() -> None:
    resources = form(DATA, PROVISIONED, EXTRAS)
    pause = resources["Pause"]["Properties"]
    assert pause["TargetAction"] == {
        "PauseCluster": {"ClusterIdentifier": {"Ref": "Cluster"}}
    }
    role = resources["PauseRole"]["Properties"]
    cluster = "arn:aws:redshift:us-west-2:123456789012:cluster:${Cluster}"
    assert may(role, "redshift:PauseCluster", cluster)
    assert not may(
        role, "redshift:PauseCluster", cluster.replace("${Cluster}", "other")
    )
    assert not may(role, "redshift:DeleteCluster", cluster)
    limits = of_type(resources, "AWS::Redshift::UsageLimit").values()
    assert {limit["FeatureType"] for limit in limits} == {
        "concurrency-scaling",
        "spectrum",
    }
    assert {limit["BreachAction"] for limit in limits} == {"disable"}
    never = form(DATA, PROVISIONED, {"PauseSchedule": "never"})
    assert not {"Pause", "PauseRole"} & set(never)


def test_application_stops_itself_and_has_limits() -> None:
    application = form(LAKE, of=EMR)["Application"]["Properties"]
    stop = application["AutoStopConfiguration"]
    assert stop["Enabled"] is True
    assert stop["IdleTimeoutMinutes"] <= 15
    assert application["MaximumCapacity"] == {
        "Cpu": "16 vCPU",
        "Memory": "64 GB",
        "Disk": "200 GB",
    }
    assert "InitialCapacity" not in application


def test_snapshot_is_kept_if_requested() -> None:
    keep = {"FinalSnapshot": "Snapshot"}
    assert "FinalSnapshotName" not in form(DATA)["Namespace"]["Properties"]
    name = form(DATA, keep)["Namespace"]["Properties"]["FinalSnapshotName"]
    assert re.fullmatch("[a-z][a-z0-9]*(-[a-z0-9]+)*", name)
    for values, policy in (({}, "Delete"), (keep, "Snapshot")):
        cluster = form(DATA, PROVISIONED, values)["Cluster"]
        assert cluster["DeletionPolicy"] == cluster["UpdateReplacePolicy"] == policy


TAGGED: Final = {
    "AWS::EC2::InternetGateway",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::VPC",
    "AWS::EMRServerless::Application",
    "AWS::IAM::Role",
    "AWS::Redshift::Cluster",
    "AWS::Redshift::ClusterParameterGroup",
    "AWS::Redshift::ClusterSubnetGroup",
    "AWS::RedshiftServerless::Namespace",
    "AWS::RedshiftServerless::Workgroup",
}
UNTAGGED: Final = {
    "AWS::EC2::Route",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::Glue::Database",
    "AWS::Redshift::ScheduledAction",
    "AWS::Redshift::UsageLimit",
}


def test_templates_create_only_known_resource_types() -> None:
    """A new type needs its own tests of access, encryption and logs."""
    kinds = {r["Type"] for _, form in all_forms() for r in form.values()}
    assert kinds == TAGGED | UNTAGGED


def test_every_taggable_resource_has_project_tag() -> None:
    for name, resources in all_forms():
        for resource in resources.values():
            if resource["Type"] in TAGGED:
                tags = resource["Properties"]["Tags"]
                assert {"Key": "project", "Value": "sparkify"} in tags, name


# --- Users of the templates ----------------------------------------------------------


@pytest.mark.parametrize("template", [REDSHIFT, EMR], ids=["warehouse", "jobs"])
def test_forms_cover_every_resource_and_output(template: Template) -> None:
    seen: set[str] = set()
    for (name, _), values in FORMS.items():
        if template is (REDSHIFT if name == "redshift" else EMR):
            resolved = resolve(template, values)
            seen |= set(resolved["Resources"]) | set(resolved["Outputs"])
    assert seen == set(template["Resources"]) | set(template["Outputs"])


def test_template_is_below_limit_of_cloudformation() -> None:
    for name in ("redshift", "emr"):
        text, _ = read_template(name)
        assert len(text.encode()) < MAX_TEMPLATE_BYTES, name


def test_every_default_is_valid_for_its_parameter() -> None:
    for template in (REDSHIFT, EMR):
        for parameter, default in defaults(template).items():
            if default is not None:
                check(template, parameter, default)


def test_up_writes_all_target_variables_except_password() -> None:
    text = (PROJECT / "profiles.example.yml").read_text(encoding="utf-8")
    outputs = yaml.safe_load(text)["sparkify"]["outputs"]
    read = set(re.findall(r"SPARKIFY_REDSHIFT_\w+", str(outputs["redshift_password"])))
    engine = aws_warehouse.REDSHIFT
    written = {engine.variable(output) for output in engine.outputs}
    assert len(read) > 5
    assert read - written == {"SPARKIFY_REDSHIFT_PASSWORD"}


def test_templates_have_outputs_that_up_reads() -> None:
    for engine in aws_warehouse.ENGINES.values():
        _, template = read_template(engine.template)
        assert set(engine.outputs) <= set(template["Outputs"])


def test_docs_name_every_option_and_parameter(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (PROJECT / "docs" / "infrastructure.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        warehouse.main(["up", "--help"])
    options = set(re.findall(r"(?<= )--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert len(options) > 10
    assert [option for option in sorted(options) if f"`{option}" not in page] == []
    settable = set(REDSHIFT["Parameters"]) | set(EMR["Parameters"])
    by_option = {f"{name}{part}" for name in LOCATIONS for part in ("Bucket", "Prefix")}
    by_option |= {"Address", "ExternalDatabase", "Provisioned", "FinalSnapshot"}
    assert by_option < settable
    named = settable - by_option
    assert [name for name in sorted(named) if f"`{name}`" not in page] == []


def test_docs_name_limit_that_up_sets() -> None:
    page = (PROJECT / "docs" / "infrastructure.md").read_text(encoding="utf-8")
    assert f"{warehouse_facts.RPU_HOURS} RPU-hours a day" in page
