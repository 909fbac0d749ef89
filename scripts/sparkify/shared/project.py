"""Find the project's folder, and read and write variables in its .env file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dotenv import dotenv_values, load_dotenv, set_key, unset_key

from sparkify.shared.errors import SparkifyError

PROJECT: Final = Path(__file__).resolve().parents[3]
ENVIRONMENT: Final = PROJECT / ".env"


def load_environment() -> None:
    """Load the project's .env, like dbt. It does not override set variables.

    Raises SparkifyError if the file is not UTF-8.
    """
    saved_variables()
    load_dotenv(ENVIRONMENT, override=False, encoding="utf-8-sig")


def saved_variables() -> dict[str, str | None]:
    """Return the variables of the project's .env.

    Raises SparkifyError if the file is not UTF-8.
    """
    try:
        return dotenv_values(ENVIRONMENT, encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise SparkifyError(
            f"{ENVIRONMENT} is not UTF-8.",
            "Save it as UTF-8. In PowerShell: Set-Content -Encoding utf8.",
        ) from None


def save_variable(name: str, value: str) -> bool:
    """Save a variable in the project's .env. Return whether the file changed."""
    if saved_variables().get(name) == value:
        return False
    ENVIRONMENT.touch(mode=0o600)
    ENVIRONMENT.chmod(0o600)
    set_key(ENVIRONMENT, name, value, quote_mode="never")
    return True


def delete_variable(name: str, value: str | None = None) -> bool:
    """Delete a variable from the project's .env. Return whether it was deleted.

    With ``value``, the variable is deleted only if it has this value.
    """
    written = saved_variables()
    if name not in written or value not in (None, written[name]):
        return False
    unset_key(ENVIRONMENT, name)
    return True
