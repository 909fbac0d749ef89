"""Constructs that PostgreSQL accepts and Amazon Redshift rejects, with alternatives.

Source: the pages of the Redshift developer guide on unsupported features, data types
and functions of PostgreSQL, and on the named statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from sparkify.redshift_lint.tokens import Token, closing

Tokens = Sequence[Token]
"""The tokens of one statement, without blanks and comments."""

PAIR: Final = 2
MAX_DIGITS: Final = 38
"""Maximum digits of a numeric in Redshift, and so of a literal."""

NAMES: Final = ("word", "quoted")

Find = Callable[[Tokens], Iterator[Token]]


@dataclass(frozen=True)
class Construct:
    """A construct that Redshift rejects, the reason, and an alternative."""

    name: str
    reason: str
    instead: str
    find: Find


def words_of(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


def phrases(*texts: str) -> Find:
    """Return a search for any of several sequences of keywords."""
    wanted = [text.split() for text in texts]

    def find(tokens: Tokens) -> Iterator[Token]:
        for index, token in enumerate(tokens):
            for words in wanted:
                if token.word == words[0] and words == [
                    each.word for each in tokens[index : index + len(words)]
                ]:
                    yield token

    return find


def only_in(statements: str, search: Find) -> Find:
    """Return a search in statements that begin with one of several keywords."""
    firsts = words_of(statements)
    return lambda tokens: search(tokens) if tokens[0].word in firsts else iter(())


def beginning(*words: str) -> Find:
    """Return a search for statements that begin with keywords."""

    def find(tokens: Tokens) -> Iterator[Token]:
        if [token.word for token in tokens[: len(words)]] == list(words):
            yield tokens[0]

    return find


def calls(*names: str, counts: Callable[[int], bool] = lambda _: True) -> Find:
    """Return a search for calls of functions with certain numbers of arguments."""

    def find(tokens: Tokens) -> Iterator[Token]:
        for index, token in enumerate(tokens[:-1]):
            if token.word not in names or tokens[index + 1].word != "(":
                continue
            before = tokens[index - 1].word if index else ""
            is_name = before in (".", "as", "table", "into")
            if not is_name and counts(len(arguments(tokens, index + 1))):
                yield token

    return find


def keywords(*texts: str) -> Find:
    """Return a search for single keywords or operators."""

    def find(tokens: Tokens) -> Iterator[Token]:
        return (token for token in tokens if token.word in texts)

    return find


def types(*names: str) -> Find:
    """Return a search for types in casts and in the columns of new tables."""

    def find(tokens: Tokens) -> Iterator[Token]:
        for index in _type_indexes(tokens):
            if tokens[index].word in names:
                yield tokens[index]

    return find


def arguments(tokens: Tokens, bracket: int) -> list[Tokens]:
    """Return the arguments in brackets. ``bracket`` is the index of the opening one."""
    end = closing(tokens, bracket)
    found: list[Tokens] = []
    depth, start = 0, bracket + 1
    for index in range(bracket + 1, end):
        depth += {"(": 1, ")": -1}.get(tokens[index].word, 0)
        if depth == 0 and tokens[index].word == ",":
            found.append(tokens[start:index])
            start = index + 1
    last = tokens[start:end]
    return [*found, last] if last or found else []


def _called(tokens: Tokens) -> Iterator[tuple[int, Token]]:
    for index, token in enumerate(tokens[:-1]):
        if token.kind == "word" and tokens[index + 1].word == "(":
            yield index, token


def _type_indexes(tokens: Tokens) -> Iterator[int]:
    casts = []
    for index, token in enumerate(tokens[:-1]):
        if token.word == "::":
            yield index + 1
        elif token.word in ("cast", "try_cast") and tokens[index + 1].word == "(":
            casts.append(closing(tokens, index + 1))
    for end in casts:
        for index in range(end - 1, 0, -1):
            if tokens[index].word == "as":
                yield index + 1
                break
    for definition in _column_definitions(tokens):
        if len(definition) > 1:
            yield definition[1]


def _column_definitions(tokens: Tokens) -> Iterator[list[int]]:
    """Yield the indexes of tokens in each column definition of CREATE TABLE."""
    words = [token.word for token in tokens]
    if words[:1] != ["create"] or "table" not in words[1:4] or "(" not in words:
        return
    bracket = words.index("(")
    if "as" in words[:bracket]:
        return
    start = bracket + 1
    for definition in arguments(tokens, bracket):
        yield list(range(start, start + len(definition)))
        start += len(definition) + 1


def _filter(tokens: Tokens) -> Iterator[Token]:
    for index, token in enumerate(tokens):
        if token.word == "filter" and index:
            found = [each.word for each in tokens[index - 1 : index + 3]]
            if found == [")", "filter", "(", "where"]:
                yield token


AGGREGATES: Final = words_of(
    "avg count max min sum stddev stddev_pop stddev_samp variance var_pop "
    "var_samp first_value last_value nth_value bool_and bool_or"
)


def _windows(tokens: Tokens) -> Iterator[tuple[str, Token, Tokens]]:
    """Yield function name, token and content of each OVER."""
    for index, token in _called(tokens):
        end = closing(tokens, index + 1)
        rest = [each.word for each in tokens[end + 1 : end + 3]]
        if rest in (["ignore", "nulls"], ["respect", "nulls"]):
            end += 2
            rest = [each.word for each in tokens[end + 1 : end + 3]]
        if rest == ["over", "("]:
            yield token.word, token, tokens[end + 3 : closing(tokens, end + 2)]


def _no_frame(tokens: Tokens) -> Iterator[Token]:
    for name, token, inside in _windows(tokens):
        words = [each.word for each in _outer(inside)]
        if name in AGGREGATES and "order" in words and "rows" not in words:
            yield token


def _range_frame(tokens: Tokens) -> Iterator[Token]:
    for _, __, inside in _windows(tokens):
        for token in _outer(inside):
            if token.word in ("range", "groups"):
                yield token


def _named_window(tokens: Tokens) -> Iterator[Token]:
    for index in range(1, len(tokens) - 1):
        before, over, after = tokens[index - 1 : index + 2]
        if (before.word, over.word) == (")", "over") and after.kind in NAMES:
            yield over


def _outer(tokens: Tokens) -> Iterator[Token]:
    """Yield the tokens outside of inner brackets."""
    depth = 0
    for token in tokens:
        depth -= token.word == ")"
        if depth == 0:
            yield token
        depth += token.word == "("


def _values(tokens: Tokens) -> Iterator[Token]:
    is_insert = tokens[0].word == "insert"
    depth = 0
    for index, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.word, 0)
        before = tokens[index - 1].word if index else "("
        in_merge = tokens[0].word == "merge" and before == ")"
        if token.word != "values" or in_merge or (is_insert and depth == 0):
            continue
        after = tokens[index + 1].word if index + 1 < len(tokens) else ""
        if before in ("(", "from", "as") and after == "(":
            yield token


def _merge(tokens: Tokens) -> Iterator[Token]:
    if tokens[0].word != "merge":
        return
    outer = [token.word for token in _outer(tokens)]
    text = " ".join(word for word in outer if word)
    if "remove duplicates" in text:
        return
    matched = sum(
        text.count(f"when matched then {change}") for change in ("update", "delete")
    )
    unmatched = text.count("when not matched then insert")
    if (matched, unmatched, outer.count("when")) != (1, 1, 2):
        yield tokens[0]


def _arrays(tokens: Tokens) -> Iterator[Token]:
    for index, token in enumerate(tokens[:-1]):
        after = tokens[index + 1].word
        if (token.word == "array" and after == "[") or (
            after == "]" and token.word == "["
        ):
            yield token


def _collations(tokens: Tokens) -> Iterator[Token]:
    known = ("case_sensitive", "case_insensitive", "cs", "ci")
    for index, token in enumerate(tokens[:-1]):
        if token.word == "collate" and tokens[index + 1].word not in known:
            yield token


def _prefixed_strings(tokens: Tokens) -> Iterator[Token]:
    for index, token in enumerate(tokens[:-1]):
        if token.word in ("e", "b", "x") and tokens[index + 1].kind == "string":
            yield token


DATE_PARTS: Final = words_of(
    "millennium millennia mil mils century centuries c cent cents decade decades "
    "dec decs epoch year years y yr yrs quarter quarters qtr qtrs month months "
    "mon mons week weeks w dayofweek dow dw weekday dayofyear doy dy yearday day "
    "days d hour hours h hr hrs minute minutes m min mins second seconds s sec "
    "secs millisecond milliseconds ms msec msecs msecond mseconds millisec "
    "millisecs millisecon microsecond microseconds microsec microsecs usecond "
    "useconds us usec usecs timezone timezone_hour timezone_minute"
)


RESERVED: Final = words_of(
    "aes128 aes256 allowoverwrite backup blanksasnull bytedict bzip2 credentials"
    " current_user_id deflate defrag delta delta32k disable emptyasnull enable encode"
    " encrypt encryption explicit globaldict256 globaldict64k gzip identity ignore lun"
    " luns lzo lzop minus mostly16 mostly32 mostly8 new off offline old open parallel"
    " partition percent permissions raw readratio recover rejectlog resort respect"
    " restore snapshot system tag tdes text255 text32k top truncatecolumns wallet"
    " without"
)
"""Words that Redshift reserves and PostgreSQL does not."""


def _reserved(tokens: Tokens) -> Iterator[Token]:
    before_names = ("from", "join", "into", "update", "table", "schema", "view", "lock")
    for index, token in enumerate(tokens):
        if token.word in RESERVED:
            before = tokens[index - 1].word if index else ""
            after = [each.word for each in tokens[index + 1 : index + 2]]
            if before in before_names or (after == ["."] and before != "."):
                yield token


def _date_parts(tokens: Tokens) -> Iterator[Token]:
    for index, token in _called(tokens):
        if token.word in ("extract", "date_part", "datediff", "dateadd"):
            part = tokens[index + 2]
            name = part.text.strip("'").lower()
            if part.kind in ("word", "string") and name not in DATE_PARTS:
                yield token


def _regexp_flags(tokens: Tokens) -> Iterator[Token]:
    for index, token in _called(tokens):
        if token.word == "regexp_replace":
            given = arguments(tokens, index + 1)
            if any(one[:1] and one[0].kind == "string" for one in given[3:4]):
                yield token


def _back_references(tokens: Tokens) -> Iterator[Token]:
    for index, token in _called(tokens):
        if token.word == "regexp_replace":
            for given in arguments(tokens, index + 1)[2:3]:
                texts = [each.text for each in given if each.kind == "string"]
                if any(f"\\{digit}" in text for text in texts for digit in "123456789"):
                    yield token


def _create_table_as(tokens: Tokens) -> Iterator[Token]:
    words = [token.word for token in _outer(tokens)]
    if words[:1] == ["create"] and "table" in words[1:4]:
        index = words.index("table")
        if words[index + 1 : index + 4] == ["if", "not", "exists"] and "as" in words:
            yield tokens[0]


def _written_with(tokens: Tokens) -> Iterator[Token]:
    if tokens[0].word == "with":
        for token in _outer(tokens):
            if token.word == "insert":
                yield token


def _writing_with(tokens: Tokens) -> Iterator[Token]:
    for index in range(len(tokens) - 2):
        found = [token.word for token in tokens[index : index + 3]]
        if found[:2] == ["as", "("] and found[2] in ("insert", "update", "delete"):
            yield tokens[index + 2]


def _sizes(tokens: Tokens) -> Iterator[Token]:
    limits = {"varchar": 65535, "char": 4096, "numeric": 38, "decimal": 38}
    for index in _type_indexes(tokens):
        name = tokens[index].word
        has_size = [token.word for token in tokens[index + 1 : index + 2]] == ["("]
        size = tokens[index + 2].text if has_size else ""
        if name in limits and size.isdigit() and int(size) > limits[name]:
            yield tokens[index]


def _many_additions(tokens: Tokens) -> Iterator[Token]:
    if [token.word for token in tokens[:2]] == ["alter", "table"]:
        outer = [token.word for token in _outer(tokens)]
        if "," in outer:
            yield tokens[0]


def _objects(tokens: Tokens) -> Iterator[Token]:
    words = [token.word for token in tokens[:4]]
    kinds = ("index", "sequence", "trigger", "type", "domain", "extension", "rule")
    if words[:1] == ["create"]:
        for word in words[1:]:
            if word in kinds:
                yield tokens[0]
                return
            if word in ("table", "view", "function", "procedure", "schema"):
                return


def _text_of_truth(tokens: Tokens) -> Iterator[Token]:
    texts = ("varchar", "text", "char")
    for index, token in enumerate(tokens):
        if token.word in ("true", "false"):
            after = [each.word for each in tokens[index + 1 : index + 3]]
            if after[:1] in (["::"], ["as"]) and after[1:] and after[1] in texts:
                yield token


def _truncate(tokens: Tokens) -> Iterator[Token]:
    words = [token.word for token in tokens]
    if words[0] == "truncate" and {",", "restart", "cascade"} & set(words):
        yield tokens[0]


def _long_numbers(tokens: Tokens) -> Iterator[Token]:
    for token in tokens:
        if token.kind == "number":
            digits = sum(character.isdigit() for character in token.text)
            if "e" in token.text.lower() or digits > MAX_DIGITS:
                yield token


def _partitioned_table(tokens: Tokens) -> Iterator[Token]:
    words = [token.word for token in tokens]
    if words[:1] == ["create"] and "table" in words[1:4]:
        for token in _outer(tokens):
            if token.word == "partition":
                yield token


def _changed_types(tokens: Tokens) -> Iterator[Token]:
    texts = ("varchar", "character", "nvarchar", "text")
    if [token.word for token in tokens[:2]] == ["alter", "table"]:
        for before, after in pairwise(tokens):
            if before.word == "type" and after.word not in texts:
                yield before


_WINDOW: Final = "Add a frame: rows between unbounded preceding and current row."
_NUMBER: Final = "Number the rows by row_number() and keep the first."
_MERGE: Final = "Delete and insert in one transaction, or merge with both branches."
_SUPER: Final = "Use json_extract_path_text, or a column of type super."
_MOMENT: Final = "Use getdate(), or sysdate for the transaction's start."
_BYTES: Final = "Use to_varbyte(text, 'utf8') and from_varbyte(bytes, 'hex')."

CONSTRUCTS: Final = (
    Construct("distinct on", "no such clause", _NUMBER, phrases("distinct on")),
    Construct("filter", "no such clause", "Aggregate a case expression.", _filter),
    Construct("lateral", "no such join", "Join a subquery.", phrases("lateral")),
    Construct(
        "returning", "no such clause", "Select before or after.", phrases("returning")
    ),
    Construct("on conflict", "no such clause", _MERGE, phrases("on conflict")),
    Construct(
        "values as a table",
        "VALUES is allowed only in INSERT",
        "Write select ... union all select ...",
        _values,
    ),
    Construct(
        "merge with one branch",
        "MERGE has exactly WHEN MATCHED THEN and WHEN NOT MATCHED THEN INSERT",
        _MERGE,
        _merge,
    ),
    Construct(
        "window without a frame",
        "an aggregate with ORDER BY in OVER needs a frame",
        _WINDOW,
        _no_frame,
    ),
    Construct("range or groups frame", "frames must use ROWS", _WINDOW, _range_frame),
    Construct(
        "named window", "no WINDOW clause", "Repeat it after OVER.", _named_window
    ),
    Construct(
        "tablesample",
        "no such clause",
        "Filter by a hash or by random().",
        phrases("tablesample"),
    ),
    Construct("fetch first", "no such clause", "Write limit.", phrases("fetch first")),
    Construct(
        "except all, intersect all",
        "set operations drop duplicates",
        "Number the rows first, or join.",
        phrases("intersect all", "except all", "minus all"),
    ),
    Construct(
        "with before insert",
        "WITH must follow INSERT INTO",
        "Write insert into t with ... select.",
        _written_with,
    ),
    Construct(
        "writing in with",
        "WITH contains only queries",
        "Write two statements in a transaction.",
        _writing_with,
    ),
    Construct(
        "as materialized",
        "no such hint",
        "Omit it, or create a temporary table.",
        phrases("as materialized", "as not materialized"),
    ),
    Construct("string_agg", "no such function", "Use listagg.", calls("string_agg")),
    Construct(
        "array or JSON aggregate",
        "no such function",
        "Use listagg.",
        calls("array_agg", "json_agg", "jsonb_agg", "json_object_agg", "xmlagg"),
    ),
    Construct(
        "JSON function",
        "no such function",
        _SUPER,
        calls(
            *("json_build_object", "json_build_array", "row_to_json", "to_json"),
            *("to_jsonb", "jsonb_build_object", "jsonb_set", "json_each"),
            *("jsonb_each", "json_array_elements", "jsonb_array_elements"),
            *("json_populate_record", "json_to_recordset", "jsonb_path_query"),
        ),
    ),
    Construct(
        "JSON operator", "no such operator", _SUPER, keywords("->", "->>", "#>", "#>>")
    ),
    Construct("containment operator", "no such operator", _SUPER, keywords("@>", "<@")),
    Construct(
        "case-insensitive pattern",
        "POSIX operators are ~ and !~",
        "Use ilike, or lower().",
        keywords("~*", "!~*"),
    ),
    Construct(
        "array", "no array type", "Use rows, or a column of type super.", _arrays
    ),
    Construct(
        "unnest",
        "no such function",
        "Navigate a column of type super, or join a table of numbers.",
        calls("unnest", "string_to_array", "regexp_split_to_array", "array_to_string"),
    ),
    Construct(
        "generate_series",
        "only the leader node has it, which does not read user tables",
        "Join a table of numbers, or use a recursive WITH.",
        calls("generate_series", "generate_subscripts"),
    ),
    Construct(
        "rows from a pattern",
        "no such function",
        "Use regexp_substr, regexp_count or split_part.",
        calls("regexp_matches", "regexp_match", "regexp_split_to_table", "regexp_like"),
    ),
    Construct(
        "regexp_replace with flags",
        "its fourth argument is a position, and all occurrences are replaced",
        "Omit 'g'.",
        _regexp_flags,
    ),
    Construct(
        "back reference",
        "groups are $1, and a backslash escapes in a literal",
        "Write $1.",
        _back_references,
    ),
    Construct(
        "bytes",
        "no bytea functions",
        _BYTES,
        calls("convert_to", "convert_from", "encode"),
    ),
    Construct(
        "decode of bytes",
        "DECODE compares values: decode(x, search, result, ...)",
        _BYTES,
        calls("decode", counts=lambda count: count == PAIR),
    ),
    Construct(
        "concat of many",
        "CONCAT accepts two arguments",
        "Write a || b || c.",
        calls("concat", counts=lambda count: count != PAIR),
    ),
    Construct(
        "text function",
        "no such function",
        "Use ||, substring, position, or like.",
        calls("concat_ws", "format", "overlay", "bit_length", "starts_with"),
    ),
    Construct(
        "date function",
        "no such function",
        "Use dateadd, datediff, date_trunc, or a cast of text.",
        calls("make_date", "make_timestamp", "make_interval", "date_bin", "age"),
    ),
    Construct(
        "to_timestamp of seconds",
        "TO_TIMESTAMP needs a text and a format",
        "Use dateadd(second, x, timestamp '1970-01-01').",
        calls("to_timestamp", counts=lambda count: count == 1),
    ),
    Construct(
        "current time",
        "only the leader node has it, which does not read user tables",
        _MOMENT,
        calls("now", "clock_timestamp", "statement_timestamp", "transaction_timestamp"),
    ),
    Construct(
        "local time",
        "only the leader node has it, which does not read user tables",
        _MOMENT,
        keywords("localtimestamp", "localtime"),
    ),
    Construct(
        "part of a date",
        "no such date part",
        "For the ISO weekday: mod(extract(dow from x) + 6, 7) + 1.",
        _date_parts,
    ),
    Construct(
        "statistical aggregate",
        "no such function",
        "Compute it from sum and count.",
        calls("corr", "covar_pop", "covar_samp", "regr_slope", "regr_intercept"),
    ),
    Construct("mode", "no such function", "Count and rank the values.", calls("mode")),
    Construct(
        "row constructor", "no such expression", "Name the columns.", calls("row")
    ),
    Construct(
        "UUID function",
        "no such function",
        "Use md5 of the key columns.",
        calls("gen_random_uuid", "uuid_generate_v4"),
    ),
    Construct(
        "sequence function",
        "there are no sequences",
        "Use an identity column.",
        calls("nextval", "currval", "setval", "lastval"),
    ),
    Construct(
        "advisory lock",
        "no such function",
        "Use lock table.",
        calls(
            *("pg_advisory_lock", "pg_try_advisory_lock", "pg_advisory_unlock"),
            "pg_advisory_xact_lock",
        ),
    ),
    Construct(
        "type of PostgreSQL",
        "no such type",
        "Use varbyte for bytes, super for JSON, varchar for UUID, identity for serial.",
        types(
            *("bytea", "json", "jsonb", "uuid", "serial", "bigserial", "smallserial"),
            *("money", "bit", "inet", "cidr", "macaddr", "xml", "hstore", "tsvector"),
            *("tsquery", "int4range", "int8range", "numrange", "tsrange", "daterange"),
        ),
    ),
    Construct(
        "reserved word",
        "Redshift reserves words that PostgreSQL does not",
        'Quote the name, as in "raw".load_history, or use another name.',
        _reserved,
    ),
    Construct(
        "numeric literal",
        f"a number in SQL is a numeric of at most {MAX_DIGITS} digits",
        "Cast it from text: cast('1e308' as double precision).",
        _long_numbers,
    ),
    Construct(
        "is distinct from",
        "no such comparison",
        "Write a <> b or (a is null) <> (b is null).",
        phrases("is distinct from", "is not distinct from"),
    ),
    Construct(
        "size of a type",
        "varchar has at most 65535 bytes, char 4096, numeric 38 digits",
        "Use a smaller size.",
        _sizes,
    ),
    Construct(
        "truth as text",
        "a boolean cannot be cast to text",
        "Write case when x then 'true' else 'false' end.",
        _text_of_truth,
    ),
    Construct(
        "collation",
        "only case_sensitive and case_insensitive; text is compared by bytes",
        "Omit it.",
        _collations,
    ),
    Construct(
        "prefixed literal",
        "no E'', B'' or X''; a backslash escapes in every literal",
        "Omit the prefix, and double backslashes.",
        _prefixed_strings,
    ),
    Construct(
        "check",
        "no such constraint",
        "Write a test.",
        only_in("create alter", calls("check")),
    ),
    Construct(
        "generated column",
        "only GENERATED BY DEFAULT AS IDENTITY",
        "Write identity(0, 1), or compute it in a view.",
        only_in("create alter", phrases("generated always")),
    ),
    Construct(
        "create table if not exists as",
        "CREATE TABLE AS has no IF NOT EXISTS",
        "Create the table first, or drop it before.",
        _create_table_as,
    ),
    Construct(
        "kind of object",
        "no indexes, sequences, triggers, own types or extensions",
        "Use a sort key instead of an index, an identity column instead of a sequence.",
        _objects,
    ),
    Construct(
        "several changes of a table",
        "ALTER TABLE makes one change",
        "Write a statement for each.",
        _many_additions,
    ),
    Construct("on commit", "no such clause", "Drop the table.", phrases("on commit")),
    Construct("inherits", "no such clause", "Write a view.", phrases("inherits")),
    Construct("partitioned table", "no such clause", "Sort by it.", _partitioned_table),
    Construct(
        "type of a column",
        "ALTER COLUMN ... TYPE only changes the length of a varchar",
        "Add a column, copy the values, drop the old one.",
        _changed_types,
    ),
    Construct("partition of", "no such clause", "Sort by it.", phrases("partition of")),
    Construct(
        "explain analyze",
        "EXPLAIN does not run the query",
        "Query sys_query_detail.",
        beginning("explain", "analyze"),
    ),
    Construct(
        "savepoint", "no such statement", "Use a transaction.", beginning("savepoint")
    ),
    Construct("do", "no such statement", "Call a procedure.", beginning("do")),
    Construct(
        "local copy",
        "COPY reads from S3",
        "Write to S3 first.",
        only_in("copy", phrases("from stdin", "to stdout")),
    ),
    Construct(
        "lock mode",
        "LOCK has no mode",
        "Write lock table t.",
        only_in("lock", phrases("mode")),
    ),
    Construct(
        "truncate with more",
        "TRUNCATE accepts one table without options",
        "Write a statement for each.",
        _truncate,
    ),
)
