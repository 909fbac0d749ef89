"""Read a COPY statement (https://docs.aws.amazon.com/redshift/latest/dg/r_COPY.html)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from redshift_stand_in.errors import RefusedStatementError, not_imitated, syntax_error
from redshift_stand_in.rewrite import fold
from sparkify.redshift_lint.tokens import Token, tokens_of, without_blanks

MAX_ERRORS = 100_000
SWITCHES = frozenset(
    {
        "acceptanydate",
        "blanksasnull",
        "bzip2",
        "emptyasnull",
        "gzip",
        "manifest",
        "noload",
        "roundec",
        "trimblanks",
        "truncatecolumns",
        "zstd",
    }
)
TEXTS = {
    "acceptinvchars": "replacement",
    "iam_role": "role",
    "json": "json",
    "null": "null_as",
    "region": "region",
    "timeformat": "time_format",
}
"""Options with a text value, and the fields of CopyOptions for it."""

UPDATES = ("compupdate", "statupdate")
TIME_FORMATS = ("", "auto", "epochsecs", "epochmillisecs")


@dataclass
class CopyOptions:
    """The parts of a COPY statement that loads JSON from S3."""

    table: list[str]
    columns: list[str]
    source: str
    json: str = ""
    role: str = ""
    region: str = ""
    max_errors: int = 0
    null_as: str | None = None
    time_format: str = ""
    replacement: str | None = None
    switches: set[str] = field(default_factory=set)


def unquoted(literal: str) -> str:
    """Return the value of a literal. A backslash escapes."""
    controls = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}

    def unescape(match: re.Match[str]) -> str:
        if match[0] == "''":
            return "'"
        if match[1]:
            return chr(int(match[1], 8))
        return controls.get(match[2], match[2])

    return re.sub(
        r"''|\\(?:([0-7]{1,3})|(.))", unescape, literal[1:-1], flags=re.DOTALL
    )


class _Reader:
    """The tokens of a statement, read one by one."""

    def __init__(self, sql: str) -> None:
        self.tokens = [t for t in without_blanks(tokens_of(sql)) if t.text != ";"]
        self.index = 0

    @property
    def word(self) -> str:
        return self.tokens[self.index].word if self.more else ""

    @property
    def more(self) -> bool:
        return self.index < len(self.tokens)

    @property
    def has_text(self) -> bool:
        return self.more and self.tokens[self.index].kind == "string"

    def next(self) -> Token:
        if not self.more:
            raise RefusedStatementError(
                "42601", "syntax error at end of input", "COPY ends too early"
            )
        self.index += 1
        return self.tokens[self.index - 1]

    def skip(self, word: str) -> bool:
        if self.word == word:
            self.index += 1
            return True
        return False

    def text(self) -> str:
        token = self.next()
        if token.kind != "string":
            raise syntax_error(token)
        return unquoted(token.text)


def read_copy(sql: str) -> CopyOptions:
    """Return the parts of a COPY statement. Raises RefusedStatementError."""
    reader = _Reader(sql)
    reader.next()
    table = [fold(reader.next().text)]
    while reader.skip("."):
        table.append(fold(reader.next().text))
    columns = []
    if reader.skip("("):
        while not reader.skip(")"):
            columns.append(fold(reader.next().text))
            reader.skip(",")
    token = reader.next()
    if token.word != "from":
        raise syntax_error(token)
    options = CopyOptions(table, columns, reader.text())
    while reader.more:
        _read_option(reader, options)
    _check(options)
    return options


def _read_option(reader: _Reader, options: CopyOptions) -> None:
    token = reader.next()
    word = token.word
    if word in SWITCHES:
        options.switches.add(word)
        return
    if word not in TEXTS and word not in ("format", "maxerror", *UPDATES):
        raise syntax_error(token)
    reader.skip("as")
    if word == "format":
        if reader.word != "json":
            raise not_imitated(f"FORMAT {reader.word}")
    elif word == "maxerror":
        options.max_errors = int(reader.next().text)
    elif word in UPDATES:
        if reader.word in ("on", "off", "true", "false", "preset"):
            reader.next()
    elif word == "iam_role" and reader.skip("default"):
        options.role = "default"
    elif word == "acceptinvchars" and not reader.has_text:
        options.replacement = "?"
    else:
        setattr(options, TEXTS[word], reader.text())


def _check(options: CopyOptions) -> None:
    if not options.json:
        raise not_imitated("COPY of anything but JSON")
    if not options.source.startswith("s3://"):
        raise not_imitated(f"COPY from {options.source}")
    if not 0 <= options.max_errors <= MAX_ERRORS:
        raise RefusedStatementError(
            "22023",
            f"Invalid MAXERROR option: it must be from 0 to {MAX_ERRORS}",
        )
    if options.time_format not in TIME_FORMATS:
        raise not_imitated(f"TIMEFORMAT '{options.time_format}'")
