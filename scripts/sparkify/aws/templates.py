"""Read the CloudFormation templates in ``infra/`` and evaluate their conditions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from sparkify.shared.errors import SparkifyError
from sparkify.shared.project import PROJECT

INFRA: Final = PROJECT / "infra"
PSEUDO: Final[Mapping[str, str]] = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "us-west-2",
    "AWS::StackName": "sparkify",
    "AWS::StackId": "arn:aws:cloudformation:us-west-2:123456789012:stack/sparkify/0a1b",
}
_UNSET: Final = object()


class _Loader(yaml.SafeLoader):
    """A YAML loader for the short forms of CloudFormation's functions."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.SequenceNode):
        value: Any = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        value = str(node.value)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


yaml.add_multi_constructor("!", _function, Loader=_Loader)


@cache
def read_template(name: str) -> tuple[str, Mapping[str, Any]]:
    """Return the text of a template in ``infra/``, and its content in long forms."""
    text = Path(INFRA, f"{name}.yaml").read_text(encoding="utf-8")
    return text, yaml.load(text, _Loader)  # noqa: S506 -- a SafeLoader, and our own file


def defaults(template: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the default of each parameter of a template, or None."""
    return {
        name: str(parameter["Default"]) if "Default" in parameter else None
        for name, parameter in template["Parameters"].items()
    }


def check(template: Mapping[str, Any], name: str, value: str) -> None:
    """Raise SparkifyError if a template does not accept a parameter's value."""
    parameter = template["Parameters"].get(name)
    if parameter is None:
        raise SparkifyError(
            f"The template has no parameter {name}.",
            f"Use one of: {', '.join(template['Parameters'])}.",
        )
    allowed = parameter.get("AllowedValues", [value])
    is_valid = re.fullmatch(parameter.get("AllowedPattern", ".*"), value)
    if parameter["Type"] == "Number":
        is_valid = is_valid and re.fullmatch("[0-9]{1,9}", value)
        low, high = parameter.get("MinValue", 0), parameter.get("MaxValue", 10**9)
        is_valid = is_valid and low <= int(value) <= high
    if not is_valid or value not in allowed:
        meaning = " ".join(parameter["Description"].split()).rstrip(".")
        choice = (
            f" (one of {', '.join(allowed)})" if "AllowedValues" in parameter else ""
        )
        raise SparkifyError(
            f"{name} cannot be {value!r}.", f"It accepts: {meaning}{choice}."
        )


def resolve(template: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Return a template evaluated with values of its parameters.

    Evaluates conditions, references to parameters, Fn::Sub, Fn::Split and Fn::Select.
    Keeps references to resources, which only AWS can resolve.
    """
    return _Resolver(template, values).resolve()


class _Resolver:
    def __init__(self, template: Mapping[str, Any], values: Mapping[str, str]) -> None:
        self.template = template
        given = {k: v for k, v in defaults(template).items() if v is not None}
        self.known: dict[str, Any] = {**PSEUDO, **given, **values}
        self.functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self.reference,
            "Fn::If": self.choose,
            "Fn::Sub": self.substitute,
            "Fn::Split": self.split,
            "Fn::Select": self.select,
        }

    def resolve(self) -> dict[str, Any]:
        omitted = {"Parameters", "Conditions", "Transform", "Metadata"}
        resolved = {k: v for k, v in self.template.items() if k not in omitted}
        for part in ("Resources", "Outputs"):
            resolved[part] = {
                name: self.value({k: v for k, v in item.items() if k != "Condition"})
                for name, item in self.template[part].items()
                if "Condition" not in item or self.condition(item["Condition"])
            }
        return resolved

    def condition(self, name: str) -> bool:
        return self.truth(self.template["Conditions"][name])

    def truth(self, test: Mapping[str, Any]) -> bool:
        ((function, of),) = test.items()
        if function == "Condition":
            return self.condition(of)
        if function == "Fn::Not":
            return not self.truth(of[0])
        if function == "Fn::And":
            return all(self.truth(one) for one in of)
        if function == "Fn::Equals":
            left, right = (str(self.value(one)) for one in of)
            return left == right
        raise NotImplementedError(function)

    def value(self, item: Any) -> Any:  # noqa: ANN401 -- a template contains any type
        if isinstance(item, list):
            found = [self.value(one) for one in item]
            return [one for one in found if one is not _UNSET]
        if not isinstance(item, dict):
            return item
        if len(item) == 1:
            ((function, of),) = item.items()
            if function in self.functions:
                return self.functions[function](of)
        found_items = {key: self.value(value) for key, value in item.items()}
        return {k: v for k, v in found_items.items() if v is not _UNSET}

    def reference(self, name: str) -> Any:  # noqa: ANN401 -- as above
        return _UNSET if name == "AWS::NoValue" else self.known.get(name, {"Ref": name})

    def choose(self, of: list[Any]) -> Any:  # noqa: ANN401 -- as above
        return self.value(of[1] if self.condition(of[0]) else of[2])

    def split(self, of: list[Any]) -> Any:  # noqa: ANN401 -- as above
        separator, text = of[0], self.value(of[1])
        return text.split(separator) if isinstance(text, str) else {"Fn::Split": of}

    def select(self, of: list[Any]) -> Any:  # noqa: ANN401 -- as above
        index, these = of[0], self.value(of[1])
        return these[int(index)] if isinstance(these, list) else {"Fn::Select": of}

    def substitute(self, of: str | list[Any]) -> str:
        text, extra = (of, {}) if isinstance(of, str) else (of[0], of[1])
        names = {**self.known, **{k: self.value(v) for k, v in extra.items()}}
        for name, value in names.items():
            text = text.replace(f"${{{name}}}", str(value))
        return text
