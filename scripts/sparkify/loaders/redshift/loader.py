"""Choose the loader of the raw tables in Redshift: copies, or views on files in S3."""

from __future__ import annotations

from typing import Any, Final

from sparkify.loaders.redshift.copying import CopyLoader
from sparkify.loaders.redshift.data_api import setting
from sparkify.loaders.redshift.external import ExternalLoader
from sparkify.shared.errors import SparkifyError

OPTIONS: Final = ("manifest", "compact", "external", "timeout")
"""Command options that only this engine has."""


def open_loader(target: dict[str, Any]) -> CopyLoader:
    """Return the loader of a target. Raises SparkifyError on conflicting options."""
    for other in ("manifest", "external"):
        if target.get("compact") and target.get(other):
            raise SparkifyError(
                f"--compact and --{other} cannot be combined.", "Omit one of them."
            )
    if target.get("external") or setting("EXTERNAL"):
        return ExternalLoader(target)
    return CopyLoader(target)
