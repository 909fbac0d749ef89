"""Clean text like the models in models/staging: docs/decisions/0002."""

from __future__ import annotations

from typing import Final

WHITE_SPACE: Final = (
    "\t\n\v\f\r \u0085\u00a0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""White space that is trimmed, as in macros/dialects/trim_white_space.sql."""


def clean_text(text: str) -> str | None:
    """Repair text that is UTF-8 encoded twice, and trim it. Return None if empty."""
    try:
        once = text.encode("latin-1").decode()
        text = once.encode("latin-1").decode()
    except UnicodeError:
        pass
    return text.strip(WHITE_SPACE) or None
