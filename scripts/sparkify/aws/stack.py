"""Plan, change, delete and observe a CloudFormation stack."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any, Final

from sparkify.shared.aws import aws_errors, error_code, make_client
from sparkify.shared.errors import SparkifyError

SECONDS_BETWEEN_LOOKS = 5.0
MINUTES_UNTIL_DEADLINE = 60.0

NEVER_CREATED: Final = "REVIEW_IN_PROGRESS"
"""Status of a stack that has only a change set."""

ROLLED_BACK: Final = "ROLLBACK_COMPLETE"
"""Status of a stack that could not be created. It has no resources."""

STUCK: Final = (
    "CREATE_FAILED",
    "DELETE_FAILED",
    "ROLLBACK_FAILED",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_FAILED",
)
_STARTS: Final = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
"""Status of a stack's first event of an operation. A rollback is not an operation."""
_DONE: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
_CAPABILITIES: Final = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
_NO_CHANGE: Final = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True)
class State:
    """The state of a stack. Parameters and outputs are by name."""

    id: str
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def is_changing(self) -> bool:
        """Whether AWS is changing the stack."""
        return self.status.endswith("_IN_PROGRESS") and self.status != NEVER_CREATED

    @property
    def is_empty(self) -> bool:
        """Whether the stack has no resources."""
        return self.status in (NEVER_CREATED, ROLLED_BACK)


@dataclass(frozen=True)
class Change:
    """The planned change of one resource."""

    action: str
    name: str
    type: str
    is_replaced: bool

    @property
    def loses_content(self) -> bool:
        """Whether the change deletes the existing resource."""
        return self.action == "Remove" or self.is_replaced


@dataclass(frozen=True)
class ChangeSet:
    """A planned change of a stack."""

    id: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Event:
    """An event of a resource."""

    id: str
    at: datetime
    status: str
    name: str
    type: str
    reason: str

    @property
    def is_cause(self) -> bool:
        """Whether the resource failed by itself, not because of another failure."""
        return self.status.endswith("_FAILED") and "cancelled" not in self.reason


class Stack:
    """A named stack in one region."""

    def __init__(self, name: str, region: str | None) -> None:
        """Create a client. Raises SparkifyError if no region is set."""
        self.name = name
        self._client = make_client("cloudformation", region)
        self.region: str = self._client.meta.region_name

    def _doing(self, what: str) -> AbstractContextManager[None]:
        return aws_errors(f"The stack {self.name} cannot be {what}")

    def state(self, stack_id: str | None = None) -> State | None:
        """Return the state, or None without a stack. Only an id finds a deleted one."""
        from botocore.exceptions import ClientError

        with self._doing("described"):
            try:
                found = self._client.describe_stacks(StackName=stack_id or self.name)
            except ClientError as error:
                is_missing = "does not exist" in str(error)
                if is_missing and error_code(error) == "ValidationError":
                    return None
                raise
        stack = found["Stacks"][0]
        return State(
            id=stack["StackId"],
            status=stack["StackStatus"],
            parameters={
                p["ParameterKey"]: p["ParameterValue"]
                for p in stack.get("Parameters", ())
            },
            outputs={
                o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", ())
            },
        )

    def plan(
        self, template: str, parameters: Mapping[str, str], *, is_new: bool
    ) -> ChangeSet | None:
        """Create and return a change set, or None if nothing would change.

        Raises SparkifyError if AWS rejects it.
        """
        with self._doing("planned"):
            created = self._client.create_change_set(
                StackName=self.name,
                ChangeSetName=f"sparkify-{uuid.uuid4()}",
                ChangeSetType="CREATE" if is_new else "UPDATE",
                TemplateBody=template,
                Parameters=[
                    {"ParameterKey": key, "ParameterValue": value}
                    for key, value in parameters.items()
                ],
                Capabilities=_CAPABILITIES,
                Tags=[{"Key": "project", "Value": "sparkify"}],
            )
            pages = self._wait_for_plan(created["Id"])
        first = pages[0]
        if first["Status"] == "FAILED":
            self.discard(ChangeSet(created["Id"], ()), is_new=is_new)
            reason = first.get("StatusReason", "no reason given").rstrip(".")
            if any(words in reason for words in _NO_CHANGE):
                return None
            raise SparkifyError(
                f"The stack {self.name} cannot be planned: {reason}.",
                "Nothing was changed. Fix it and run the command again.",
            )
        return ChangeSet(
            created["Id"],
            tuple(
                Change(
                    action=change["Action"],
                    name=change["LogicalResourceId"],
                    type=change["ResourceType"],
                    is_replaced=change.get("Replacement") in ("True", "Conditional"),
                )
                for page in pages
                for change in (one["ResourceChange"] for one in page["Changes"])
            ),
        )

    def _wait_for_plan(self, plan_id: str) -> list[dict[str, Any]]:
        deadline = time.monotonic() + MINUTES_UNTIL_DEADLINE * 60
        pages = self._client.get_paginator("describe_change_set")
        while True:
            found = list(pages.paginate(ChangeSetName=plan_id, StackName=self.name))
            if found[0]["Status"] in ("CREATE_COMPLETE", "FAILED"):
                return found
            self._pause(deadline, "being planned")

    def discard(self, plan: ChangeSet, *, is_new: bool) -> None:
        """Delete a change set, and the stack if it was created for the change set."""
        with self._doing("planned"):
            self._client.delete_change_set(ChangeSetName=plan.id, StackName=self.name)
            if is_new:
                self._client.delete_stack(StackName=self.name)

    def apply(self, plan: ChangeSet) -> State:
        """Apply a change set and wait. Raises SparkifyError if AWS rolls it back."""
        previous = self._last_event(self.name)
        with self._doing("changed"):
            self._client.execute_change_set(ChangeSetName=plan.id, StackName=self.name)
        return self._finish(previous, self.name, wanted=_DONE)

    def delete(self, state: State) -> None:
        """Delete the stack and wait. Raises SparkifyError if a resource remains."""
        previous = self._last_event(state.id)
        with self._doing("deleted"):
            self._client.delete_stack(StackName=state.id)
        self._finish(previous, state.id, wanted=("DELETE_COMPLETE",))

    def wait(self, state: State) -> None:
        """Wait until the operation of another command succeeds or fails.

        Raises SparkifyError after MINUTES_UNTIL_DEADLINE.
        """
        print(f"The stack {self.name} is {state.status}. Waiting until it ends.")
        self._follow(self._last_event(state.id), state.id, has_started=True)

    def _finish(
        self, since: str | None, stack: str, *, wanted: tuple[str, ...]
    ) -> State:
        """Wait for the operation after an event. Raises SparkifyError if it fails."""
        try:
            state, cause = self._follow(since, stack, has_started=False)
        except KeyboardInterrupt:
            print("\nAWS continues. Run scripts/warehouse.py status to see the state.")
            raise
        if state.status not in wanted:
            raise _failure(self.name, state, cause)
        return state

    def _follow(
        self, since: str | None, stack: str, *, has_started: bool
    ) -> tuple[State, Event | None]:
        """Print the events after an event until the operation ends.

        Return the final state and the event that caused a failure, if any. Raises
        SparkifyError after MINUTES_UNTIL_DEADLINE.
        """
        deadline = time.monotonic() + MINUTES_UNTIL_DEADLINE * 60
        cause: Event | None = None
        while True:
            state = self.state(stack)
            for event in self._events_after(since, stack):
                since, has_started = event.id, True
                cause = cause or (event if event.is_cause else None)
                print(_line(event))
            if state is None:
                raise SparkifyError(
                    f"The stack {self.name} no longer exists.",
                    "Run the command again.",
                )
            # Shortly after a request, a stack still has its previous status.
            if has_started and not state.status.endswith("_IN_PROGRESS"):
                return state, cause
            self._pause(deadline, state.status)

    def _pause(self, deadline: float, doing: str) -> None:
        if time.monotonic() > deadline:
            raise SparkifyError(
                f"The stack {self.name} is still {doing} after"
                f" {MINUTES_UNTIL_DEADLINE:.0f} minutes.",
                "AWS continues. Run scripts/warehouse.py status to see the state.",
            )
        time.sleep(SECONDS_BETWEEN_LOOKS)

    def last_cause(self, state: State) -> Event | None:
        """Return the first failure of the stack's latest operation, or None."""
        cause = None
        for event in self._newest_first(state.id):
            if event.is_cause:
                cause = event
            if event.type == "AWS::CloudFormation::Stack" and event.status in _STARTS:
                break
        return cause

    def _last_event(self, stack: str) -> str | None:
        return next((event.id for event in self._newest_first(stack)), None)

    def _events_after(self, since: str | None, stack: str) -> list[Event]:
        events = takewhile(lambda event: event.id != since, self._newest_first(stack))
        return list(events)[::-1]

    def _newest_first(self, stack: str) -> Iterator[Event]:
        with self._doing("followed"):
            pages = self._client.get_paginator("describe_stack_events")
            for page in pages.paginate(StackName=stack):
                for event in page["StackEvents"]:
                    yield Event(
                        id=event["EventId"],
                        at=event["Timestamp"],
                        status=event.get("ResourceStatus", ""),
                        name=event.get("LogicalResourceId", ""),
                        type=event.get("ResourceType", ""),
                        reason=event.get("ResourceStatusReason", ""),
                    )


def _line(event: Event) -> str:
    reason = f": {event.reason}" if event.status.endswith("_FAILED") else ""
    return f"  {event.at:%H:%M:%S}  {event.status:<22} {event.name}{reason}"


def describe(cause: Event | None) -> str:
    """Return the failed resource and its reason, without a full stop."""
    if cause is None:
        return "AWS gives no reason"
    reason = " ".join(cause.reason.split()).rstrip(".") or "AWS gives no reason"
    return f"{cause.name} ({cause.type}): {reason}"


def _failure(name: str, state: State, cause: Event | None) -> SparkifyError:
    what = {
        "ROLLBACK_COMPLETE": "could not be created, and was rolled back",
        "DELETE_COMPLETE": "was deleted by another command",
        "DELETE_FAILED": "could not be deleted",
    }.get(state.status, "could not be changed")
    then = {
        "ROLLBACK_COMPLETE": "Fix it and run the command again.",
        "DELETE_FAILED": "Delete that resource manually, then run down again.",
        "UPDATE_ROLLBACK_COMPLETE": "The stack is unchanged. Fix the cause and run the"
        " command again.",
    }.get(state.status, f"Open the stack, {state.status}, in the AWS console.")
    return SparkifyError(f"The stack {name} {what}. {describe(cause)}.", then)
