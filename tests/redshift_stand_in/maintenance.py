"""VACUUM, ANALYZE and ALTER TABLE of a physical design.

PostgreSQL has no slices and no sort keys, so these statements only change the rows of
svv_table_info.
"""

from __future__ import annotations

from redshift_stand_in.errors import RefusedStatementError, syntax_error
from redshift_stand_in.proxy import Session
from redshift_stand_in.rewrite import design_of, fold
from sparkify.redshift_lint.tokens import Token, tokens_of, without_blanks
from sparkify.shared.quoting import quote_identifier, quote_redshift_literal

MISSING = "42P01"  # SQLSTATE of a table that does not exist
VACUUMS = ("full", "sort", "delete", "only", "reindex", "recluster")


def maintain(session: Session, statement: str) -> None:
    """Run VACUUM, ANALYZE or ALTER TABLE. Raises RefusedStatementError."""
    tokens = without_blanks(tokens_of(statement))
    verb = tokens[0].word
    if verb == "alter":
        _alter(session, tokens)
        return
    if verb == "vacuum" and session.is_in_transaction:
        raise RefusedStatementError(
            "25001", "VACUUM cannot run inside a transaction block"
        )
    index = 1
    while index < len(tokens) and tokens[index].word in (*VACUUMS, "verbose"):
        index += 1
    where = "true"
    if index < len(tokens):
        name, _ = _name(tokens, index)
        where = f"relid = {quote_redshift_literal(name)}::regclass"
    column = "unsorted" if verb == "vacuum" else "stats_off"
    session.run(f"update redshift.health set {column} = 0 where {where}", code=MISSING)


def _alter(session: Session, tokens: list[Token]) -> None:
    name, index = _name(tokens, 2)
    if tokens[index].word != "alter":
        raise syntax_error(tokens[index])
    rest = tokens[index + 1 :]
    words = [token.word for token in rest]
    if words[:1] == ["encode"]:
        return
    relation = f"{quote_redshift_literal(name)}::regclass"
    session.run(
        f"insert into redshift.design select {relation}, 'AUTO', '', '', '{{}}', false"
        " on conflict (relid) do nothing",
        code=MISSING,
    )
    if "distkey" in words:
        column = quote_redshift_literal(fold(rest[words.index("distkey") + 1].text))
        change = f"diststyle = 'KEY', distkey = {column}"
    elif words[0] == "diststyle":
        style = quote_redshift_literal(words[1].upper())
        change = f"diststyle = {style}, distkey = ''"
    else:
        design = design_of(rest)
        keys = ", ".join(map(quote_redshift_literal, design.sortkeys))
        style = quote_redshift_literal(design.sortstyle)
        change = f"sortkeys = array[{keys}]::text[], sortstyle = {style}"
    session.run(
        f"update redshift.design set {change} where relid = {relation}", code=MISSING
    )


def _name(tokens: list[Token], index: int) -> tuple[str, int]:
    """Return the quoted name of the table at an index, and the index after it."""
    parts = [fold(tokens[index].text)]
    index += 1
    while index + 1 < len(tokens) and tokens[index].word == ".":
        parts.append(fold(tokens[index + 1].text))
        index += 2
    return ".".join(map(quote_identifier, parts)), index
