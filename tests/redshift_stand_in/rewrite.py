"""Rewrite a statement of Redshift for PostgreSQL, or refuse it.

Covers the syntax that this project uses. Functions are in ``catalogue.psql``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from redshift_sql import check
from redshift_stand_in.errors import RefusedStatementError
from sparkify.redshift_lint.tokens import (
    BLANK,
    Token,
    closing,
    statements_of,
    text_of,
    tokens_of,
    without_blanks,
)
from sparkify.shared.quoting import quote_literal

SHADOWED = ("avg", "regexp_replace")
"""Functions that differ from PostgreSQL's. They are in schema redshift."""

UNIT_FUNCTIONS = frozenset({"datediff", "dateadd", "date_part"})
"""Functions whose first argument may be a bare word, as in ``datediff(day, a, b)``."""

SETTINGS = frozenset(
    {
        "analyze_threshold_percent",
        "describe_field_name_in_uppercase",
        "enable_case_sensitive_identifier",
        "enable_result_cache_for_session",
        "json_parse_truncate_strings",
        "query_group",
        "wlm_query_slot_count",
    }
)
"""Settings that PostgreSQL lacks. They get the prefix ``redshift``."""

PHYSICAL = frozenset({"diststyle", "distkey", "sortkey", "encode"})
"""Keywords of ALTER TABLE for the physical design."""

RELATIONS = {"information_schema.columns": "redshift.columns"}
"""Relations that differ from PostgreSQL's."""

TYPES = {"varbyte": "bytea", "varbinary": "bytea", "super": "jsonb"}


@dataclass
class Design:
    """The physical design that a CREATE TABLE declares."""

    diststyle: str = "AUTO"
    distkey: str = ""
    sortstyle: str = ""
    sortkeys: list[str] = field(default_factory=list)
    encoded: bool = False


def fold(name: str) -> str:
    """Return a name in lower case and without quotes, as Redshift stores it."""
    if name.startswith('"'):
        name = name[1:-1].replace('""', '"')
    return name.lower()


@lru_cache(maxsize=16)
def cut(sql: str) -> tuple[Token, ...]:
    """Return the tokens of SQL, cached because several functions read them."""
    return tuple(tokens_of(sql))


@lru_cache(maxsize=512)
def own_kind(sql: str) -> str:
    """Return the kind of a statement that PostgreSQL lacks; '' for others."""
    words = [token.word for token in without_blanks(cut(sql))]
    if words[:1] in (["copy"], ["vacuum"], ["analyze"]):
        return words[0]
    if words[:2] == ["create", "external"]:
        return "external"
    is_alter = words[:2] == ["alter", "table"] and words.count("alter") > 1
    return "alter" if is_alter and PHYSICAL.intersection(words) else ""


@lru_cache(maxsize=512)
def ends_or_begins(sql: str) -> bool:
    """Return whether a statement only begins or ends a transaction."""
    plain = without_blanks(cut(sql))
    bounds = ("abort", "begin", "commit", "end", "rollback", "start")
    return bool(plain) and plain[0].word in bounds


@lru_cache(maxsize=512)
def dropped_with_cascade(sql: str) -> str:
    """Return the table that DROP TABLE ... CASCADE names; '' for other statements."""
    plain = without_blanks(cut(sql))
    words = [token.word for token in plain]
    if words[:2] != ["drop", "table"] or words[-1] != "cascade":
        return ""
    start = 4 if words[2:4] == ["if", "exists"] else 2
    return "".join(token.text for token in plain[start:-1])


def has_wrong_types(plain: list[Token]) -> bool:
    """Return whether Redshift reports wrong types for a query (dbt-core 10490)."""
    words = [token.word for token in plain]
    return any(
        words[index : index + 3] == ["where", "false", "limit"]
        for index in range(len(words))
    )


@lru_cache(maxsize=512)
def schema_of_dropped(sql: str) -> str:
    """Return the schema that DROP TABLE IF EXISTS names; '' for other statements."""
    plain = without_blanks(cut(sql))
    words = [token.word for token in plain]
    if words[:4] != ["drop", "table", "if", "exists"]:
        return ""
    names = [fold(token.text) for token in plain[4:] if token.word not in (".", ";")]
    return names[-2 - (words[-1] == "cascade")] if "." in words else ""


@lru_cache(maxsize=512)
def sets_case(sql: str) -> bool:
    """Return whether a statement makes quoted names case-sensitive."""
    words = [token.word for token in without_blanks(cut(sql))]
    return words == ["set", "enable_case_sensitive_identifier", "to", "true"]


@lru_cache(maxsize=512)
def rewrite(sql: str, *, keeps_case: bool = False) -> str:
    """Rewrite all statements of a text. Raises RefusedStatementError.

    Results are cached, because tests repeat statements.
    """
    statements = list(statements_of(cut(sql)))
    if not statements:
        return sql
    if has_wrong_types(without_blanks(cut(sql))):
        raise RefusedStatementError(
            "0A000", "a query with WHERE FALSE does not report its columns' types"
        )
    for finding in check(sql):
        construct = finding.construct
        raise RefusedStatementError(
            "0A000",
            f"Redshift refuses {construct.name} (line {finding.line}):"
            f" {construct.reason}",
            construct.instead,
        )
    return ";".join(
        text_of(_rewrite_one(statement, keeps_case=keeps_case))
        for statement in statements
    )


def _rewrite_one(statement: list[Token], *, keeps_case: bool) -> list[Token]:
    plain = without_blanks(statement)
    words = [token.word for token in plain]
    if words[0] == "create" and "view" in words[1:4]:
        late = _late_binding_view(plain, words)
        if late is not None:
            return late
    tokens = _expressions(statement)
    if keeps_case:
        quoted = iter([token for token in statement if token.kind == "quoted"])
        tokens = [next(quoted) if t.kind == "quoted" else t for t in tokens]
    if words[:2] == ["create", "user"]:
        return [_word("null") if t.word == "disable" else t for t in tokens]
    if words[0] == "create" and "table" in words[1:4]:
        return _create_table(tokens)
    if words[0] in ("set", "reset", "show") and SETTINGS.intersection(words[1:2]):
        return _prefixed(tokens, words[1])
    if words[:2] == ["alter", "table"] and {"foreign", "references"} <= set(words):
        # Redshift does not check foreign keys.
        return [*tokens, *tokens_of(" not enforced")]
    return tokens


def _word(text: str, line: int = 0) -> Token:
    return Token("word", text, line)


def _prefixed(tokens: Sequence[Token], setting: str) -> list[Token]:
    return [
        _word(f"redshift.{setting}") if token.word == setting else token
        for token in tokens
    ]


def _next(tokens: Sequence[Token], index: int) -> int:
    """Return the index of the next token that is not blank, or the length."""
    index += 1
    while index < len(tokens) and tokens[index].kind in BLANK:
        index += 1
    return index


def _at(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].word if index < len(tokens) else ""


# --- Expressions ---


def _expressions(tokens: Sequence[Token]) -> list[Token]:
    out: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        following = _next(tokens, index)
        is_call = _at(tokens, following) == "("
        previous = next((t.word for t in reversed(out) if t.kind not in BLANK), "")
        handle = CALLS.get(token.word) if is_call and previous != "." else None
        if handle is None and previous in ("as", "::"):
            handle = CAST_TO.get(token.word)
        if handle is None and not is_call:
            handle = NAMES.get(token.word)
        if handle is not None:
            index = handle(tokens, index, following, out)
            continue
        if token.kind == "quoted":
            token = Token("quoted", token.text.lower(), token.line)
        out.append(token)
        index += 1
    return out


def _replacement(sql: str) -> Handler:
    """Return the handler that replaces one token by SQL."""

    def replace(_: Sequence[Token], index: int, __: int, out: list[Token]) -> int:
        out.extend(tokens_of(sql))
        return index + 1

    return replace


def _approximate(_: Sequence[Token], __: int, following: int, ___: list[Token]) -> int:
    return following


def _varchar(
    tokens: Sequence[Token], index: int, bracket: int, out: list[Token]
) -> int:
    out.append(tokens[index])
    if _at(tokens, _next(tokens, bracket)) != "max":
        return index + 1
    out.extend(tokens_of("(65535)"))
    return closing(tokens, bracket) + 1


def _other_type(
    tokens: Sequence[Token], index: int, following: int, out: list[Token]
) -> int:
    """Write PostgreSQL's name of a type, without a length."""
    out.append(_word(TYPES[tokens[index].word]))
    has_length = _at(tokens, following) == "("
    return closing(tokens, following) + 1 if has_length else index + 1


def _numeric(
    tokens: Sequence[Token], index: int, following: int, out: list[Token]
) -> int:
    out.append(_word("numeric"))
    if _at(tokens, following) != "(":
        out.extend(tokens_of("(18, 0)"))
    return index + 1


def _information_schema(
    tokens: Sequence[Token], index: int, following: int, out: list[Token]
) -> int:
    if _at(tokens, following) != ".":
        out.append(tokens[index])
        return index + 1
    name = _next(tokens, following)
    relation = f"information_schema.{fold(tokens[name].text)}"
    out.append(_word(RELATIONS.get(relation, relation)))
    return name + 1


def _unit_function(
    tokens: Sequence[Token], index: int, bracket: int, out: list[Token]
) -> int:
    unit = _next(tokens, bracket)
    out.extend([tokens[index], tokens[bracket]])
    if tokens[unit].kind == "word" and _at(tokens, _next(tokens, unit)) == ",":
        out.append(Token("string", quote_literal(tokens[unit].word), 0))
        return unit + 1
    return bracket + 1


def _listagg(tokens: Sequence[Token], _: int, bracket: int, out: list[Token]) -> int:
    """Write LISTAGG(x, d) WITHIN GROUP (ORDER BY y) as STRING_AGG(x, d ORDER BY y)."""
    end = closing(tokens, bracket)
    inner = _expressions(tokens[bracket + 1 : end])
    depth = 0
    has_delimiter = False
    for token in inner:
        depth += {"(": 1, ")": -1}.get(token.word, 0)
        has_delimiter |= depth == 0 and token.word == ","
    out.extend(tokens_of("string_agg("))
    out.extend(inner)
    if not has_delimiter:
        out.append(Token("string", ", ''", 0))
    index = end + 1
    within = _next(tokens, end)
    if _at(tokens, within) == "within":
        start = _next(tokens, _next(tokens, within))
        stop = closing(tokens, start)
        out.append(_word(" "))
        out.extend(_expressions(tokens[start + 1 : stop]))
        index = stop + 1
    out.append(Token("symbol", ")", 0))
    return index


Handler = Callable[[Sequence[Token], int, int, list[Token]], int]
"""Rewrites the token at an index. Its other arguments are all tokens, the index of the
following token and the output. Returns the next index to read."""

CALLS: dict[str, Handler] = {
    **{name: _replacement(f"redshift.{name}") for name in SHADOWED},
    **dict.fromkeys(UNIT_FUNCTIONS, _unit_function),
    "listagg": _listagg,
    "nvl": _replacement("coalesce"),
    "varchar": _varchar,
    "nvarchar": _varchar,
}
CAST_TO: dict[str, Handler] = {
    **dict.fromkeys(TYPES, _other_type),
    **dict.fromkeys(("numeric", "decimal", "dec"), _numeric),
}
NAMES: dict[str, Handler] = {
    "approximate": _approximate,
    "information_schema": _information_schema,
    "sysdate": _replacement("redshift.sysdate()"),
}


# --- Tables ---


def _create_table(statement: list[Token]) -> list[Token]:
    """Move the physical design to a comment, which the database stores."""
    tokens = [token for token in statement if token.kind != "comment"]
    design = Design()
    index = next(i for i, token in enumerate(tokens) if token.word == "table")
    index = _next(tokens, index)
    if tokens[index].word == "if":
        index = _next(tokens, _next(tokens, _next(tokens, index)))
    name = index
    while _at(tokens, _next(tokens, index)) == ".":
        index = _next(tokens, _next(tokens, index))
    table = [fold(t.text) for t in tokens[name : index + 1] if t.word != "."]
    out = tokens[: index + 1]
    index += 1
    if _at(tokens, _next(tokens, index - 1)) == "(":
        start = _next(tokens, index - 1)
        end = closing(tokens, start)
        if _is_column_list(tokens[start + 1 : end]):
            out.extend(_columns(tokens[start : end + 1], design))
        else:
            out.extend(tokens[start : end + 1])
        index = end + 1
    index = _attributes(tokens, index, design)
    out.append(_word(" "))
    out.extend(tokens[index:])
    note = json.dumps({"table": table, **vars(design)})
    out.append(Token("comment", f" /*redshift design {note}*/", 0))
    return out


def design_of(tokens: Sequence[Token]) -> Design:
    """Return the design that the attributes of a table declare."""
    design = Design()
    _attributes(tokens, 0, design)
    return design


def _is_column_list(inner: Sequence[Token]) -> bool:
    """Return False for the names in CREATE TABLE t (a, b) AS."""
    plain = without_blanks(inner)
    return len(plain) > 1 and plain[1].word != ","


def _attributes(tokens: Sequence[Token], index: int, design: Design) -> int:
    """Read a table's attributes. Return the index after them."""
    while True:
        current = _next(tokens, index - 1)
        word = _at(tokens, current)
        following = _next(tokens, current)
        if word in ("backup", "encode"):
            index = following + 1
        elif word == "diststyle":
            design.diststyle = _at(tokens, following).upper()
            index = following + 1
        elif word == "distkey":
            design.diststyle = "KEY"
            design.distkey = fold(tokens[_next(tokens, following)].text)
            index = closing(tokens, following) + 1
        elif word in ("compound", "interleaved", "sortkey"):
            design.sortstyle = "" if word == "sortkey" else word
            if word != "sortkey":
                following = _next(tokens, following)
            if _at(tokens, following) == "(":
                end = closing(tokens, following)
                design.sortkeys = [
                    fold(t.text)
                    for t in without_blanks(tokens[following + 1 : end])
                    if t.word != ","
                ]
                index = end + 1
            else:
                design.sortstyle = "auto"
                index = following + 1
        else:
            return index


def _columns(tokens: Sequence[Token], design: Design) -> list[Token]:
    """Rewrite column definitions, including their brackets."""
    out = [tokens[0]]
    start = 1
    depth = 0
    for index in range(1, len(tokens)):
        word = tokens[index].word
        depth += {"(": 1, ")": -1}.get(word, 0)
        if (depth == 0 and word == ",") or depth < 0:
            out.extend(_column(tokens[start:index], design))
            out.append(tokens[index])
            start = index + 1
    return out


def _column(tokens: Sequence[Token], design: Design) -> list[Token]:
    """Rewrite the definition of a column or a table constraint."""
    out: list[Token] = []
    name = ""
    position = 0
    index = 0
    while index < len(tokens):
        token = tokens[index]
        following = _next(tokens, index)
        index += 1
        if token.kind in BLANK:
            out.append(token)
            continue
        position += 1
        if position == 1:
            name = fold(token.text)
            out.append(token)
        elif position == 2:
            out.append(_column_type(token, bracket=_at(tokens, following) == "("))
            if token.word in TYPES and _at(tokens, following) == "(":
                index = closing(tokens, following) + 1
        elif token.word == "encode":
            design.encoded = True
            index = following + 1
        elif token.word == "distkey":
            design.diststyle, design.distkey = "KEY", name
        elif token.word == "sortkey":
            design.sortkeys.append(name)
        elif token.word == "identity":
            end = closing(tokens, following)
            out.extend(_identity(tokens[following + 1 : end]))
            index = end + 1
        else:
            out.append(token)
    return out


def _identity(inside: Sequence[Token]) -> list[Token]:
    seed, step = [token.text for token in inside if token.kind == "number"]
    return tokens_of(
        f"generated always as identity (start with {seed} increment by {step}"
        f" minvalue {seed})"
    )


def _column_type(token: Token, *, bracket: bool) -> Token:
    """Return PostgreSQL's type, with Redshift's default length or precision."""
    if token.word in TYPES:
        return _word(TYPES[token.word])
    if not bracket and token.word in ("varchar", "nvarchar", "text"):
        return _word("varchar(256)")
    if not bracket and token.word in ("numeric", "decimal"):
        return _word("numeric(18, 0)")
    return token


# --- Late-binding views ---


def _late_binding_view(plain: list[Token], words: list[str]) -> list[Token] | None:
    """Return a call for CREATE VIEW ... WITH NO SCHEMA BINDING; None for others."""
    if words[-4:] != ["with", "no", "schema", "binding"]:
        return None
    start = words.index("view") + 1
    end = words.index("as", start)
    parts = [fold(t.text) for t in plain[start:end] if t.word != "."]
    query = " ".join(t.text for t in _expressions(plain[end + 1 : -4]))
    replace = str("replace" in words[:start]).lower()
    schema = quote_literal(parts[-2]) if len(parts) > 1 else "null"
    call = (
        f"call redshift.create_late_binding_view({schema}, {quote_literal(parts[-1])},"
        f" {_dollar(query)}, {replace})"
    )
    return [_word(call)]


def _dollar(text: str) -> str:
    """Quote text without escaping backslashes. Raises ValueError for the tag."""
    tag = "$late$"
    if tag in text:
        raise ValueError(f"a view must not contain {tag}")
    return f"{tag}{text}{tag}"
