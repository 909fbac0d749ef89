"""A CloudFormation server for tests: moto with additions.

Moto creates the network, the roles and the parameter group. This file adds resource
types that moto lacks, a cluster that keeps its name, the outputs and events of a stack,
failed creations with their rollback, and the calls of Redshift Serverless that the
project makes. It does not check properties (cfn-lint does) or show real durations.
"""

# ruff: noqa: SLF001 -- it uses moto's internals

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import yaml
from moto.cloudformation import models, parsing, responses
from moto.core.common_models import CloudFormationModel
from moto.ec2.models.vpn_gateway import VPCGatewayAttachment
from moto.emrserverless.models import Application, emrserverless_backends
from moto.glue.models import glue_backends
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.redshift.models import redshift_backends
from werkzeug.serving import make_server

from sparkify.aws import templates

ACCOUNT = "123456789012"
REGION = "eu-central-1"
"""Not the region of other tests: all share moto in one process."""
Properties = dict[str, Any]


@dataclass
class Resource:
    """A resource made by this file; ``on_delete`` deletes it."""

    physical_resource_id: str
    properties: Properties
    attributes: dict[str, str]
    on_delete: Callable[[], object] = lambda: None

    def get_cfn_attribute(self, name: str) -> str:
        return self.attributes[name]

    def delete(self, account: str, region: str) -> None:
        del account, region
        self.on_delete()

    def is_created(self) -> bool:
        return True


def add_model(kind: str, make: Callable[[str, Properties], Resource]) -> None:
    """Add a type of resource to moto; a later model of the type replaces it."""

    class Model(CloudFormationModel):
        # Moto groups models by the second part of their module's name.
        __module__ = "moto.sparkify.models"

        @staticmethod
        def cloudformation_name_type() -> str:
            return ""

        @staticmethod
        def cloudformation_type() -> str:
            return kind

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:
            return bool(attr)

        @classmethod
        def create_from_cloudformation_json(
            cls,
            resource_name: str,
            cloudformation_json: dict[str, Any],
            account_id: str,
            region_name: str,
            **kwargs: Any,
        ) -> Any:
            del account_id, region_name, kwargs
            return make(resource_name, cloudformation_json["Properties"])

        @classmethod
        def update_from_cloudformation_json(
            cls,
            original_resource: Any,
            new_resource_name: str,
            cloudformation_json: dict[str, Any],
            account_id: str,
            region_name: str,
        ) -> Any:
            del account_id, region_name
            original_resource.on_delete()
            return make(new_resource_name, cloudformation_json["Properties"])

    MODELS.append(Model)


MODELS: list[Any] = []
"""Keeps references to the models: moto finds them among the live subclasses."""
MADE: dict[str, dict[str, Properties]] = {"namespace": {}, "workgroup": {}}
LIMITS: dict[str, dict[str, Any]] = {}


def _serverless(kind: str, name: str, properties: Properties) -> Resource:
    arn = f"arn:aws:redshift-serverless:{REGION}:{ACCOUNT}:{kind}/{name}"
    host = f"{name}.{ACCOUNT}.{REGION}.redshift-serverless.amazonaws.com"
    MADE[kind][name] = properties
    made = Resource(
        name,
        properties,
        {"Workgroup.WorkgroupArn": arn, "Workgroup.Endpoint.Address": host},
    )
    made.on_delete = lambda: MADE[kind].pop(name)
    return made


def _cluster(_: str, properties: Properties) -> Resource:
    backend = redshift_backends[ACCOUNT][REGION]
    name = properties["ClusterIdentifier"]
    cluster = backend.create_cluster(
        cluster_identifier=name,
        node_type=properties["NodeType"],
        master_username=properties["MasterUsername"],
        master_user_password="",
        db_name=properties["DBName"],
        cluster_type=properties["ClusterType"],
        cluster_security_groups=[],
        vpc_security_group_ids=properties["VpcSecurityGroupIds"],
        cluster_subnet_group_name=None,
        availability_zone=None,
        preferred_maintenance_window=None,
        cluster_parameter_group_name=None,
        automated_snapshot_retention_period=1,
        port=properties["Port"],
        cluster_version=None,
        allow_version_upgrade=True,
        number_of_nodes=properties.get("NumberOfNodes"),
        publicly_accessible=properties["PubliclyAccessible"],
        encrypted=properties["Encrypted"],
        region_name=REGION,
    )
    secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:redshift!{name}"
    made = Resource(
        name,
        properties,
        {"Endpoint.Address": cluster.address, "MasterPasswordSecretArn": secret},
    )
    made.on_delete = lambda: backend.clusters.pop(name)
    return made


def _application(_: str, properties: Properties) -> Resource:
    most, stop = properties["MaximumCapacity"], properties["AutoStopConfiguration"]
    request: dict[str, Any] = {
        "name": properties["Name"],
        "release_label": properties["ReleaseLabel"],
        "application_type": properties["Type"],
        "client_token": "",
        "account_id": ACCOUNT,
        "region_name": REGION,
        "initial_capacity": {},
        "maximum_capacity": {key.lower(): value for key, value in most.items()},
        "tags": {},
        "auto_start_configuration": {"enabled": True},
        "auto_stop_configuration": {
            "enabled": stop["Enabled"],
            "idleTimeoutMinutes": stop["IdleTimeoutMinutes"],
        },
        "network_configuration": None,
    }
    made = Application(**request)
    emrserverless_backends[ACCOUNT][REGION].applications[made.id] = made
    return Resource(made.id, properties, {"Arn": made.arn})


def _glue_database(_: str, properties: Properties) -> Resource:
    backend = glue_backends[ACCOUNT][REGION]
    of = properties["DatabaseInput"]
    backend.create_database(of["Name"], of)
    made = Resource(of["Name"], properties, {})
    made.on_delete = lambda: backend.databases.pop(of["Name"])
    return made


def _nameless(name: str, properties: Properties) -> Resource:
    return Resource(name, properties, {})


add_model(
    "AWS::RedshiftServerless::Namespace",
    lambda _, p: _serverless("namespace", p["NamespaceName"], p),
)
add_model(
    "AWS::RedshiftServerless::Workgroup",
    lambda _, p: _serverless("workgroup", p["WorkgroupName"], p),
)
add_model("AWS::Redshift::Cluster", _cluster)
add_model("AWS::Redshift::UsageLimit", _nameless)
add_model("AWS::Redshift::ScheduledAction", _nameless)
add_model("AWS::EMRServerless::Application", _application)
add_model("AWS::Glue::Database", _glue_database)
setattr(VPCGatewayAttachment, "get_cfn_attribute", lambda *_: "IGW")  # noqa: B010 -- moto has none


def serverless_call(operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return the response to a call of Redshift Serverless, from MADE and LIMITS."""
    if operation == "GetNamespace":
        name = request["namespaceName"]
        secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:redshift!{name}"
        assert MADE["namespace"][name]["ManageAdminPassword"] is True
        return {"namespace": {"namespaceName": name, "adminPasswordSecretArn": secret}}
    if operation == "GetWorkgroup":
        properties = MADE["workgroup"][request["workgroupName"]]
        found = {
            "status": "AVAILABLE",
            "baseCapacity": properties["BaseCapacity"],
            "maxCapacity": properties["MaxCapacity"],
        }
        return {"workgroup": found}
    if operation == "ListUsageLimits":
        arn = request["resourceArn"]
        return {"usageLimits": [v for v in LIMITS.values() if v["resourceArn"] == arn]}
    if operation == "CreateUsageLimit":
        limit = request | {"usageLimitId": str(uuid.uuid4())}
        LIMITS[limit["usageLimitId"]] = limit
    else:
        assert operation == "UpdateUsageLimit"
        limit = LIMITS[request["usageLimitId"]] | request
        LIMITS[request["usageLimitId"]] = limit
    return {"usageLimit": limit}


@dataclass
class CloudFormation:
    """A server with the APIs of CloudFormation and its resources."""

    endpoint: str = ""
    failing: dict[str, str] = field(default_factory=dict)
    """Reason by type of resource: its next creation or deletion fails."""

    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Code and message by name of action: its calls are rejected."""

    def stack(self, name: str) -> models.Stack:
        return models.cloudformation_backends[ACCOUNT][REGION].get_stack(name)

    def clear(self) -> None:
        models.cloudformation_backends[ACCOUNT].pop(REGION, None)
        for backends in (redshift_backends, glue_backends):
            backends[ACCOUNT].pop(REGION, None)
        for made in MADE.values():
            made.clear()
        LIMITS.clear()
        self.failing.clear()
        self.refused.clear()

    def apply(self, change_set: models.ChangeSet) -> None:
        """Create, replace and delete resources, and set the outputs of the stack."""
        for change in change_set.changes:
            reason = self.failing.pop(change.resource_type, None)
            if reason is not None:
                raise CreationError(change.logical_resource_id, reason)
        stack = change_set.stack
        resources, made = stack.resource_map, stack.resource_map._parsed_resources
        for change in reversed(change_set.changes):
            if change.action == "Remove":
                removed = made.pop(change.logical_resource_id)
                kind = resources._resource_json_map[change.logical_resource_id]
                resources._delete_resource(removed, kind)
                _event(stack, change, "DELETE_COMPLETE")
        stack.template_dict = change_set.template_dict
        stack.parameters = resources.input_parameters = change_set.parameters
        resources._template = change_set.template_dict
        resources._resource_json_map = change_set.template_dict["Resources"]
        resources.load()
        for change in change_set.changes:
            name = change.logical_resource_id
            if change.action == "Modify" and isinstance(made[name], Resource):
                made.pop(name).on_delete()
            if change.action != "Remove":
                resources[name]
                _event(stack, change, "CREATE_COMPLETE")
        stack.output_map = stack._create_output_map()

    def execute(self, change_set: models.ChangeSet) -> None:
        """Apply a change set, or roll it back."""
        stack, kind = change_set.stack, change_set.change_set_type
        stack._add_stack_event(f"{kind}_IN_PROGRESS")
        try:
            self.apply(change_set)
        except CreationError as error:
            for change in change_set.changes:
                if change.logical_resource_id == error.name:
                    _event(stack, change, "CREATE_FAILED", error.reason)
            for change in change_set.changes[:1]:
                _event(stack, change, "CREATE_FAILED", "Resource creation cancelled")
            prefix = "" if kind == "CREATE" else "UPDATE_"
            stack.status = f"{prefix}ROLLBACK_COMPLETE"
        else:
            stack.status = f"{kind}_COMPLETE"
            stack.template = change_set.template
        stack._add_stack_event(stack.status)

    def delete(self, stack: models.Stack) -> None:
        """Delete all resources but the network, which moto cannot delete."""
        resources = stack.resource_map
        stack._add_stack_event("DELETE_IN_PROGRESS")
        for name, kind in reversed(list(resources._resource_json_map.items())):
            change = models.Change("Remove", name, kind["Type"])
            reason = self.failing.pop(kind["Type"], None)
            if reason is not None:
                _event(stack, change, "DELETE_FAILED", reason)
                stack.status = "DELETE_FAILED"
                break
            if name in resources._parsed_resources and "::EC2::" not in kind["Type"]:
                resources._delete_resource(resources._parsed_resources.pop(name), kind)
            _event(stack, change, "DELETE_COMPLETE")
        else:
            stack.status = "DELETE_COMPLETE"
        stack._add_stack_event(stack.status)


@dataclass
class CreationError(Exception):
    """The creation of a resource failed."""

    name: str
    reason: str


def _event(
    stack: models.Stack, change: models.Change, status: str, reason: str | None = None
) -> None:
    stack.events.append(
        models.Event(
            stack_id=stack.stack_id,
            stack_name=stack.name,
            logical_resource_id=change.logical_resource_id,
            physical_resource_id="",
            resource_type=change.resource_type,
            resource_status=status,
            resource_status_reason=reason,
            resource_properties=None,
        )
    )


REJECTION = """<ErrorResponse><Error><Type>Sender</Type><Code>{}</Code>\
<Message>{}</Message></Error><RequestId>1</RequestId></ErrorResponse>"""
WsgiApplication = Callable[[dict[str, Any], Any], Iterable[bytes]]


def _wrap(moto: WsgiApplication, cloud: CloudFormation) -> WsgiApplication:
    def respond(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        service, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        for action, (code, message) in cloud.refused.items():
            if f"Action={action}&".encode() in body + b"&":
                start("400 Bad Request", [("Content-Type", "text/xml")])
                return [REJECTION.format(code, message).encode()]
            if action == operation:
                start(
                    "400 Bad Request", [("Content-Type", "application/x-amz-json-1.1")]
                )
                return [json.dumps({"__type": code, "message": message}).encode()]
        if service == "RedshiftServerless":
            response = serverless_call(operation, json.loads(body))
            start("200 OK", [("Content-Type", "application/x-amz-json-1.1")])
            return [json.dumps(response).encode()]
        return moto(environ, start)

    return respond


@contextmanager
def start_cloudformation() -> Iterator[CloudFormation]:
    """Start the server, and patch moto while it runs."""
    cloud = CloudFormation()
    backend = models.CloudFormationBackend

    create = backend.create_change_set

    def create_resolved(self: Any, **request: Any) -> tuple[str, str]:
        """Resolve conditions first, because moto does so only in part."""
        template: dict[str, Any] = yaml.load(request["template"], templates._Loader)  # noqa: S506 -- a SafeLoader
        names = {"AWS::StackName": request["stack_name"], "AWS::Region": REGION}
        resolved = templates.resolve(template, request["parameters"] | names)
        resolved["Parameters"] = template["Parameters"]
        return create(self, **request | {"template": json.dumps(resolved)})

    def execute(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
        del stack_name
        cloud.execute(self.describe_change_set(change_set_name))

    def delete(self: Any, name_or_stack_id: str) -> None:
        stack = self.get_stack(name_or_stack_id)
        cloud.delete(stack)
        if stack.status == "DELETE_COMPLETE":
            self.deleted_stacks[stack.stack_id] = self.stacks.pop(stack.stack_id)

    replaced: list[tuple[Any, str, Any]] = [
        (backend, "create_change_set", create_resolved),
        (backend, "execute_change_set", execute),
        (backend, "delete_stack", delete),
        # Moto rejects this at once; AWS creates a change set that fails.
        (
            responses.CloudFormationResponse,
            "_validate_different_update",
            lambda *_: None,
        ),
        (parsing, "get_model_list", CloudFormationModel.__subclasses__),
    ]
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    for owner, name, value in replaced:
        setattr(owner, name, value)
    for cached in (parsing.get_model_map, parsing.get_name_type_map):
        cached.cache_clear()
    server = make_server(
        "127.0.0.1",
        0,
        _wrap(DomainDispatcherApplication(create_backend_app), cloud),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    cloud.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield cloud
    finally:
        server.shutdown()
        thread.join()
        for owner, name, value in originals:
            setattr(owner, name, value)
        for cached in (parsing.get_model_map, parsing.get_name_type_map):
            cached.cache_clear()
