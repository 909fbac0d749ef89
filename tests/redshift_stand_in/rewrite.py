"""Turn a statement for Redshift into one that PostgreSQL runs, or refuse it.

Only the constructs that this project uses are known. What Redshift has as a function,
the database has as a function (``catalogue.psql``); here is what no function can be.
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

SHADOWED = frozenset({"avg", "regexp_replace", "to_hex", "trunc"})
"""Functions that PostgreSQL has with another meaning: ours are in schema redshift."""

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
"""Settings that PostgreSQL lacks; it keeps them under the prefix ``redshift``."""

PHYSICAL = frozenset({"diststyle", "distkey", "sortkey", "encode"})
"""Words by which ALTER TABLE changes where rows lie."""

RELATIONS = {"information_schema.columns": "redshift.columns"}
"""Relations that PostgreSQL has with other rows."""

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
    """Return a name as Redshift keeps it: in lower case, quoted or not."""
    if name.startswith('"'):
        name = name[1:-1].replace('""', '"')
    return name.lower()


@lru_cache(maxsize=16)
def cut(sql: str) -> tuple[Token, ...]:
    """Cut SQL into tokens, once for all that look at a statement in turn."""
    return tuple(tokens_of(sql))


@lru_cache(maxsize=512)
def own_kind(sql: str) -> str:
    """Return the kind of a statement that the stand-in runs itself; '' for others."""
    words = [token.word for token in without_blanks(cut(sql))]
    if words[:1] in (["copy"], ["vacuum"], ["analyze"]):
        return words[0]
    if words[:2] == ["create", "external"]:
        return "external"
    is_alter = words[:2] == ["alter", "table"] and words.count("alter") > 1
    return "alter" if is_alter and PHYSICAL.intersection(words) else ""


@lru_cache(maxsize=512)
def ends_or_begins(sql: str) -> bool:
    """Recognise a statement that only begins or ends a transaction."""
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
    """Recognise an empty query, whose types Redshift gets wrong (dbt-core 10490)."""
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
    """Recognise the statement from which on quoted names keep their case."""
    words = [token.word for token in without_blanks(cut(sql))]
    return words == ["set", "enable_case_sensitive_identifier", "to", "true"]


@lru_cache(maxsize=512)
def rewrite(sql: str, *, keeps_case: bool = False) -> str:
    """Rewrite all statements of a text. Raises RefusedStatementError.

    What was made of a text is kept, since tests run the same statements again.
    """
    statements = list(statements_of(cut(sql)))
    if not statements:
        return sql
    if has_wrong_types(without_blanks(cut(sql))):
        raise RefusedStatementError(
            "0A000", "a query with WHERE FALSE does not tell its columns' types", ""
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
        # Redshift believes a foreign key and never looks.
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


# --- Expressions, in whatever statement they stand ---


def _expressions(tokens: Sequence[Token]) -> list[Token]:
    out: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        after = _next(tokens, index)
        called = _at(tokens, after) == "("
        before = next((t.word for t in reversed(out) if t.kind not in BLANK), "")
        handle = CALLS.get(token.word) if called and before != "." else None
        if handle is None and before in ("as", "::"):
            handle = CAST_TO.get(token.word)
        if handle is None and not called:
            handle = NAMES.get(token.word)
        if handle is not None:
            index = handle(tokens, index, after, out)
            continue
        if token.kind == "quoted":
            token = Token("quoted", token.text.lower(), token.line)
        out.append(token)
        index += 1
    return out


def _in_schema(tokens: Sequence[Token], index: int, _: int, out: list[Token]) -> int:
    out.append(_word(f"redshift.{tokens[index].word}"))
    return index + 1


def _nvl(_: Sequence[Token], index: int, __: int, out: list[Token]) -> int:
    out.append(_word("coalesce"))
    return index + 1


def _sysdate(_: Sequence[Token], index: int, __: int, out: list[Token]) -> int:
    out.extend(tokens_of("redshift.sysdate()"))
    return index + 1


def _approximate(_: Sequence[Token], __: int, after: int, ___: list[Token]) -> int:
    return after


def _varchar(
    tokens: Sequence[Token], index: int, bracket: int, out: list[Token]
) -> int:
    out.append(tokens[index])
    if _at(tokens, _next(tokens, bracket)) != "max":
        return index + 1
    out.extend(tokens_of("(65535)"))
    return closing(tokens, bracket) + 1


def _other_type(
    tokens: Sequence[Token], index: int, after: int, out: list[Token]
) -> int:
    """Write a type by PostgreSQL's name, which takes no length."""
    out.append(_word(TYPES[tokens[index].word]))
    return closing(tokens, after) + 1 if _at(tokens, after) == "(" else index + 1


def _numeric(tokens: Sequence[Token], index: int, after: int, out: list[Token]) -> int:
    out.append(_word("numeric"))
    if _at(tokens, after) != "(":
        out.extend(tokens_of("(18, 0)"))
    return index + 1


def _information_schema(
    tokens: Sequence[Token], index: int, after: int, out: list[Token]
) -> int:
    if _at(tokens, after) != ".":
        out.append(tokens[index])
        return index + 1
    name = _next(tokens, after)
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
"""Writes what stands at an index; takes the index after it, gives where to go on."""

CALLS: dict[str, Handler] = {
    **dict.fromkeys(SHADOWED, _in_schema),
    **dict.fromkeys(UNIT_FUNCTIONS, _unit_function),
    "listagg": _listagg,
    "nvl": _nvl,
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
    "sysdate": _sysdate,
}


# --- Tables: what PostgreSQL lacks goes to a side table ---


def _create_table(statement: list[Token]) -> list[Token]:
    """Take the physical design out, and hand it to the database in a comment."""
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
    """Read the attributes of a table."""
    design = Design()
    _attributes(tokens, 0, design)
    return design


def _is_column_list(inner: Sequence[Token]) -> bool:
    """Distinguish column definitions from the names in CREATE TABLE t (a, b) AS."""
    plain = without_blanks(inner)
    return len(plain) > 1 and plain[1].word != ","


def _attributes(tokens: Sequence[Token], index: int, design: Design) -> int:
    """Read the table's attributes; give the index of what follows them."""
    while True:
        here = index
        while here < len(tokens) and tokens[here].kind in BLANK:
            here += 1
        word = _at(tokens, here)
        after = _next(tokens, here)
        if word in ("backup", "encode"):
            index = after + 1
        elif word == "diststyle":
            design.diststyle = _at(tokens, after).upper()
            index = after + 1
        elif word == "distkey":
            design.diststyle = "KEY"
            design.distkey = fold(tokens[_next(tokens, after)].text)
            index = closing(tokens, after) + 1
        elif word in ("compound", "interleaved", "sortkey"):
            design.sortstyle = "" if word == "sortkey" else word
            if word != "sortkey":
                after = _next(tokens, after)
            if _at(tokens, after) == "(":
                end = closing(tokens, after)
                design.sortkeys = [
                    fold(t.text)
                    for t in without_blanks(tokens[after + 1 : end])
                    if t.word != ","
                ]
                index = end + 1
            else:
                design.sortstyle = "auto"
                index = after + 1
        else:
            return index


def _columns(tokens: Sequence[Token], design: Design) -> list[Token]:
    """Rewrite the definitions of columns, brackets included."""
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
    """Rewrite the definition of one column, or a constraint of the table."""
    out: list[Token] = []
    name = ""
    position = 0
    index = 0
    while index < len(tokens):
        token = tokens[index]
        after = _next(tokens, index)
        index += 1
        if token.kind in BLANK:
            out.append(token)
            continue
        position += 1
        if position == 1:
            name = fold(token.text)
            out.append(token)
        elif position == 2:
            out.append(_column_type(token, bracket=_at(tokens, after) == "("))
            if token.word in TYPES and _at(tokens, after) == "(":
                index = closing(tokens, after) + 1
        elif token.word == "encode":
            design.encoded = True
            index = after + 1
        elif token.word == "distkey":
            design.diststyle, design.distkey = "KEY", name
        elif token.word == "sortkey":
            design.sortkeys.append(name)
        elif token.word == "identity":
            end = closing(tokens, after)
            out.extend(_identity(tokens[after + 1 : end]))
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
    """Return a type as Redshift means it where it has no length or precision."""
    if token.word in TYPES:
        return _word(TYPES[token.word])
    if not bracket and token.word in ("varchar", "nvarchar", "text"):
        return _word("varchar(256)")
    if not bracket and token.word in ("numeric", "decimal"):
        return _word("numeric(18, 0)")
    return token


# --- Views that are bound when they are read ---


def _late_binding_view(plain: list[Token], words: list[str]) -> list[Token] | None:
    """Write CREATE VIEW ... WITH NO SCHEMA BINDING as a call; None for other views."""
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
    """Quote text as it is, backslashes and all."""
    tag = "$late$"
    if tag in text:
        raise ValueError(f"a view may not hold {tag}")
    return f"{tag}{text}{tag}"
