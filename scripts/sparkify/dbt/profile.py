"""Read the dbt profile, so that loading and dbt share one configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import jinja2
import yaml

from sparkify.shared.errors import SparkifyError
from sparkify.shared.project import PROJECT, load_environment

_HOW: Final = "Copy profiles.example.yml to profiles.yml and fill it in."


def profiles_folder() -> Path:
    """Return the folder of profiles.yml: DBT_PROFILES_DIR or the project's folder."""
    return Path(os.environ.get("DBT_PROFILES_DIR") or PROJECT).resolve()


def read_target(name: str | None = None) -> dict[str, Any]:
    """Return one target of the profile ``sparkify``, with Jinja rendered.

    The result also has the target's ``name``, and its unrendered values in
    ``as_written``. The default name is DBT_TARGET or the profile's default, as in dbt.
    Raises SparkifyError if the profile or the target is missing or invalid.
    """
    load_environment()
    path = profiles_folder() / "profiles.yml"
    try:
        profile = yaml.safe_load(path.read_text(encoding="utf-8"))["sparkify"]
        outputs = profile["outputs"]
        default = _render(profile.get("target", "default"))
    except OSError:
        raise SparkifyError(f"{path} does not exist.", _HOW) from None
    except (yaml.YAMLError, KeyError, TypeError):
        raise SparkifyError(f"{path} has no profile sparkify.", _HOW) from None
    wanted = name or os.environ.get("DBT_TARGET") or default
    if wanted not in outputs:
        raise SparkifyError(
            f"{path} has no target {wanted}.", f"Use one of: {', '.join(outputs)}."
        )
    rendered: dict[str, Any] = _render(outputs[wanted])
    if rendered.get("type") == "duckdb":
        # dbt-duckdb expands the path too.
        rendered["path"] = str(Path(str(rendered["path"])).expanduser())
    return {"name": wanted, "as_written": outputs[wanted]} | rendered


def _render(value: Any) -> Any:  # noqa: ANN401 -- profile values have any type
    if isinstance(value, dict):
        return {key: _render(inner) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    template = jinja2.Environment(autoescape=False).from_string(value)  # noqa: S701 -- no HTML
    # dbt defines these from its command line.
    flags = {"PROFILES_DIR": str(profiles_folder())}
    return template.render(env_var=_environment_variable, flags=flags)


def _environment_variable(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, default)
    if value is None:
        raise SparkifyError(
            f"The profile needs the environment variable {name}.", "Set it."
        )
    return value
