"""The raw layer in Redshift: copies of the records, or views on them."""

from __future__ import annotations

from typing import Any, Final

from sparkify.errors import SparkifyError
from sparkify.loaders.redshift.copying import CopyWarehouse
from sparkify.loaders.redshift.data_api import setting
from sparkify.loaders.redshift.external import ExternalWarehouse

OPTIONS: Final = ("manifest", "compact", "external", "timeout")
"""The options of the command that this engine has beside those of all."""


def open_warehouse(target: dict[str, Any]) -> CopyWarehouse:
    """Open the cluster or workgroup that the profile's target names."""
    for other in ("manifest", "external"):
        if target.get("compact") and target.get(other):
            raise SparkifyError(
                f"--compact and --{other} are two ways to load.",
                "Leave one of them out.",
            )
    if target.get("external") or setting("EXTERNAL"):
        return ExternalWarehouse(target)
    return CopyWarehouse(target)
