"""Split SQL into tokens, so that rules ignore strings and comments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

_TOKEN: Final = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<comment>--[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)
    | (?P<string>'(?:[^'\\]|\\.|'')*'|(?P<tag>\$(?:[A-Za-z_]\w*)?\$).*?(?P=tag))
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
    | (?P<parameter>\$\d+)
    | (?P<word>[^\W\d][\w$]*|\#\w+)
    | (?P<symbol>::|:=|<=|>=|<>|!=|\|\||->>|->|\#>>|\#>|@>|<@|!~\*|!~|~\*|.)
    """,
    re.VERBOSE | re.DOTALL,
)
BLANK: Final = ("space", "comment")


@dataclass(frozen=True)
class Token:
    """A piece of SQL text. All tokens joined are the text."""

    kind: str
    text: str
    line: int
    word: str = field(init=False, compare=False)
    """A keyword, name or symbol in lower case, otherwise empty."""

    def __post_init__(self) -> None:
        """Set the word once, because every rule reads it."""
        is_word = self.kind in ("word", "symbol")
        object.__setattr__(self, "word", self.text.lower() if is_word else "")


def tokens_of(sql: str) -> list[Token]:
    """Return the tokens of SQL, with lines counted from 1."""
    line = 1
    found = []
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or "symbol"
        if match["tag"] is not None:
            kind = "string"
        found.append(Token(kind, match[0], line))
        line += match[0].count("\n")
    return found


def without_blanks(tokens: Sequence[Token]) -> list[Token]:
    """Return the tokens without white space and comments."""
    return [token for token in tokens if token.kind not in BLANK]


def statements_of(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """Yield the statements between semicolons, without blank statements."""
    statement: list[Token] = []
    for token in [*tokens, Token("symbol", ";", 0)]:
        if token.text == ";" and token.kind == "symbol":
            if without_blanks(statement):
                yield statement
            statement = []
        else:
            statement.append(token)


def closing(tokens: Sequence[Token], start: int) -> int:
    """Return the index of the bracket that closes the bracket at ``start``."""
    depth = 0
    for index in range(start, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[index].word, 0)
        if depth == 0:
            return index
    return len(tokens) - 1


def text_of(tokens: Sequence[Token]) -> str:
    """Return the SQL of tokens."""
    return "".join(token.text for token in tokens)
