"""VACUUM, ANALYZE and the changes of a table's physical design.

PostgreSQL has no slices and no sort keys: these statements change what
svv_table_info says, so that a check that prints them can be seen to come to rest.
"""

from __future__ import annotations

from redshift_stand_in.copy import literal, quoted
from redshift_stand_in.errors import RefusedStatementError, syntax_error
from redshift_stand_in.proxy import Session
from redshift_stand_in.rewrite import Design, design_of, fold
from sparkify.redshift_lint.tokens import Token, tokens_of, without_blanks

VACUUMS = ("full", "sort", "delete", "only", "reindex", "recluster")


def maintain(session: Session, statement: str) -> None:
    """Run VACUUM, ANALYZE, or ALTER TABLE ... ALTER DISTSTYLE and the like.

    Raises RefusedStatementError.
    """
    tokens = without_blanks(tokens_of(statement))
    verb = tokens[0].word
    if verb == "alter":
        _alter(session, tokens)
        return
    if verb == "vacuum" and session.is_in_transaction:
        raise RefusedStatementError(
            "25001", "VACUUM cannot run inside a transaction block", ""
        )
    place = 1
    while place < len(tokens) and tokens[place].word in (*VACUUMS, "verbose"):
        place += 1
    where = "true"
    if place < len(tokens):
        name, _ = _name(tokens, place)
        where = f"relid = {literal(name)}::regclass"
    column = "unsorted" if verb == "vacuum" else "stats_off"
    _run(session, f"update redshift.health set {column} = 0 where {where}")


def _alter(session: Session, tokens: list[Token]) -> None:
    name, place = _name(tokens, 2)
    if tokens[place].word != "alter":
        raise syntax_error(tokens[place])
    rest = tokens[place + 1 :]
    if [token.word for token in rest[:1]] == ["encode"]:
        return
    relation = f"{literal(name)}::regclass"
    _run(
        session,
        f"insert into redshift.design select {relation}, 'AUTO', '', '', '{{}}', false"
        " on conflict (relid) do nothing",
    )
    words = [token.word for token in rest]
    if "distkey" in words:
        column = literal(fold(rest[words.index("distkey") + 1].text))
        change = f"diststyle = 'KEY', distkey = {column}"
    elif words[0] == "diststyle":
        change = f"diststyle = {literal(words[1].upper())}, distkey = ''"
    else:
        design: Design = design_of(rest)
        keys = ", ".join(literal(key) for key in design.sortkeys)
        change = (
            f"sortkeys = array[{keys}]::text[], sortstyle = {literal(design.sortstyle)}"
        )
    _run(session, f"update redshift.design set {change} where relid = {relation}")


def _name(tokens: list[Token], place: int) -> tuple[str, int]:
    """Return a table's quoted name, and the place after it."""
    parts = [fold(tokens[place].text)]
    place += 1
    while place + 1 < len(tokens) and tokens[place].word == ".":
        parts.append(fold(tokens[place + 1].text))
        place += 2
    return ".".join(quoted(part) for part in parts), place


def _run(session: Session, sql: str) -> None:
    answer = session.ask(sql)
    if answer.error:
        raise RefusedStatementError("42P01", answer.error, "")
