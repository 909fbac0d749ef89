"""Changes to the code of the project that break a rule, made in dbt's manifest."""

from __future__ import annotations

from dataclasses import dataclass

from dbt.artifacts.resources.base import FileHash

from warehouses import Builder


@dataclass(frozen=True)
class Mutation:
    """A change to one file of the project that breaks a rule.

    ``killer`` names what notices it. The change leaves every ref and config as it is.
    """

    rule: str
    file: str
    old: str
    new: str
    killer: str


def mutate(
    builder: Builder, mutation: Mutation, *, seen: bool = True, parse: bool = True
) -> None:
    """Change the manifest of a builder as an edit of the file would.

    dbt runs the text in the manifest: nothing has to be parsed again. Without ``seen``
    the model keeps its checksum, so that the next build is an increment. Without
    ``parse``, earlier mutations of the manifest stay.
    """
    if parse:
        builder.parse()
    for node in builder.manifest.nodes.values():
        if node.original_file_path == mutation.file and mutation.old in node.raw_code:
            node.raw_code = node.raw_code.replace(mutation.old, mutation.new, 1)
            if seen:
                node.checksum = FileHash.from_contents(node.raw_code)
            return
    for macro in builder.manifest.macros.values():
        if (
            macro.original_file_path == mutation.file
            and mutation.old in macro.macro_sql
        ):
            macro.macro_sql = macro.macro_sql.replace(mutation.old, mutation.new, 1)
            return
    raise AssertionError(f"{mutation.file} does not contain {mutation.old}")
