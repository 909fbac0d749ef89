"""Cleaning and rounding of values: decision 0002, section "Cleaning"."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

WHITE_SPACE = (
    "\t\n\v\f\r \u0085\u00a0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
    "\u200b\ufeff"
)
"""Unicode's White_Space (PropList.txt), then zero width space and byte order mark."""


def repair(text: str) -> str:
    """Return text that is encoded twice as decoded text, any other text unchanged.

    `encode("latin-1")` fails on a code point above 255. `decode("utf-8")` fails on
    bytes that are not valid UTF-8.
    """
    if text.isascii():
        return text
    try:
        once = text.encode("latin-1").decode("utf-8")
        return once.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def trim(text: str) -> str:
    """Remove white space from both ends."""
    return text.strip(WHITE_SPACE)


@lru_cache(maxsize=1 << 16)
def clean_text(text: str | None) -> str | None:
    """Repair text, then trim it; return null if it is empty."""
    if text is None:
        return None
    return trim(repair(text)) or None


def clean_user(text: str | None) -> int | None:
    """Return a user id as an integer, null if it is empty."""
    cleaned = clean_text(text)
    return None if cleaned is None else int(cleaned)


def clean_year(year: int | None) -> int | None:
    """Return the year, null for year 0, which means unknown."""
    return None if year == 0 else year


def clean_duration(seconds: Decimal | None) -> Decimal | None:
    """Round a duration in seconds to five decimal places."""
    return None if seconds is None else round_half_away(seconds, places=5)


def round_half_away(value: Decimal, places: int) -> Decimal:
    """Round half away from zero, which Python calls half up; zero has no sign."""
    rounded = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    return rounded.copy_abs() if rounded.is_zero() else rounded
