"""Mutations: changes to dbt's manifest that break a rule of the project."""

from __future__ import annotations

from dataclasses import dataclass

from dbt.artifacts.resources.base import FileHash

from warehouses import Builder


@dataclass(frozen=True)
class Mutation:
    """A change to one file of the project that breaks a rule.

    ``killer`` names the check that fails. The change keeps every ref and config.
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

    dbt runs the manifest's text and does not parse it again. Without ``seen`` the model
    keeps its checksum, so the next build is an incremental run. Without ``parse``,
    earlier mutations stay. Raise AssertionError if the file lacks the old text.
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
