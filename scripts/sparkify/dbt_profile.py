"""Read the dbt profile, so that the bootstrap and dbt share one configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import jinja2
import yaml
from dotenv import dotenv_values, load_dotenv, set_key, unset_key

from sparkify.errors import SparkifyError

PROJECT: Final = Path(__file__).resolve().parents[2]
ENVIRONMENT: Final = PROJECT / ".env"
_HOW: Final = "Copy profiles.example.yml to profiles.yml and fill it in."


def load_environment() -> None:
    """Take variables from the project's .env, as dbt does; those that are set win.

    Raises SparkifyError if it is not text in UTF-8.
    """
    remembered()
    load_dotenv(ENVIRONMENT, override=False, encoding="utf-8-sig")


def remembered() -> dict[str, str | None]:
    """Return what the project's .env says. Raises SparkifyError if it is not UTF-8."""
    try:
        return dotenv_values(ENVIRONMENT, encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise SparkifyError(
            f"{ENVIRONMENT} is not text in UTF-8.",
            "Save it in UTF-8; PowerShell does so with: Set-Content -Encoding utf8.",
        ) from None


def remember(name: str, value: str) -> bool:
    """Write a variable into the project's .env; tell whether that changed it."""
    if remembered().get(name) == value:
        return False
    ENVIRONMENT.touch(mode=0o600)
    ENVIRONMENT.chmod(0o600)
    set_key(ENVIRONMENT, name, value, quote_mode="never")
    return True


def forget(name: str, value: str | None = None) -> bool:
    """Take a variable out of the project's .env, if it is there with this value."""
    written = remembered()
    if name not in written or value not in (None, written[name]):
        return False
    unset_key(ENVIRONMENT, name)
    return True


def profiles_folder() -> Path:
    """Give the folder that holds profiles.yml: DBT_PROFILES_DIR, or the project's."""
    return Path(os.environ.get("DBT_PROFILES_DIR") or PROJECT).resolve()


def read_target(name: str | None = None) -> dict[str, Any]:
    """Give one target of the profile ``sparkify``.

    Its name is under ``name``, and what it was before Jinja under ``as_written``.

    Without a name it is that of DBT_TARGET, or else the profile's default, as in dbt.
    Raises SparkifyError if the profile or the target is missing or cannot be read.
    """
    load_environment()
    path = profiles_folder() / "profiles.yml"
    try:
        profile = yaml.safe_load(path.read_text(encoding="utf-8"))["sparkify"]
        outputs = profile["outputs"]
        default = _render(profile.get("target", "default"))
    except OSError:
        raise SparkifyError(f"There is no {path}.", _HOW) from None
    except (yaml.YAMLError, KeyError, TypeError):
        raise SparkifyError(f"{path} holds no profile sparkify.", _HOW) from None
    wanted = name or os.environ.get("DBT_TARGET") or default
    if wanted not in outputs:
        raise SparkifyError(
            f"{path} has no target {wanted}.", f"It has: {', '.join(outputs)}."
        )
    rendered: dict[str, Any] = _render(outputs[wanted])
    if rendered.get("type") == "duckdb":
        # DuckDB does so itself.
        rendered["path"] = str(Path(str(rendered["path"])).expanduser())
    return {"name": wanted, "as_written": outputs[wanted]} | rendered


def _render(value: Any) -> Any:  # noqa: ANN401 -- a profile holds values of any type
    if isinstance(value, dict):
        return {key: _render(inner) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    template = jinja2.Environment(autoescape=False).from_string(value)  # noqa: S701 -- no HTML
    # As dbt has them, of its command line.
    flags = {"PROFILES_DIR": str(profiles_folder())}
    return template.render(env_var=_environment_variable, flags=flags)


def _environment_variable(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, default)
    if value is None:
        raise SparkifyError(
            f"The profile asks for the environment variable {name}.", "Set it."
        )
    return value
