"""Draw bars as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH, LINE, LABEL, LEFT, ROOM = 900, 46, 12, 10, 220
MOST: Final = 3.0
"""Share at which longer bars are cut and marked."""
SCALE: Final = (WIDTH - LEFT - ROOM) / MOST
GOOD, BAD, INK = "#2a7f62", "#b3412f", "#333"
OPENING: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"
 viewBox="0 0 {width} {height}" font-family="sans-serif"
 font-size="{size}" fill="{ink}">
<rect width="{width}" height="{height}" fill="#fff"/>"""


@dataclass(frozen=True)
class Bar:
    """A measure as a share of its limit, with the range of its rounds and a label."""

    title: str
    share: float
    least: float
    most: float
    text: str


def draw(bars: Sequence[Bar]) -> str:
    """Return an SVG with one row per bar. The dashed line at 1 is the limit."""
    height = LINE * len(bars) + 30
    line = LEFT + SCALE
    parts = [
        OPENING.format(width=WIDTH, height=height, size=LABEL, ink=INK),
        *(_drawn(bar, number * LINE + 22) for number, bar in enumerate(bars)),
        _line(line, line, 0, height - 20, 'stroke-dasharray="4 3"'),
        _text(line + 4, height - 6, "the bar"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _drawn(bar: Bar, top: int) -> str:
    end = LEFT + min(bar.share, MOST) * SCALE
    least, most = (LEFT + min(share, MOST) * SCALE for share in (bar.least, bar.most))
    colour = GOOD if bar.share <= 1 else BAD
    cut = " …" if bar.share > MOST else ""
    parts = [
        _text(LEFT, top - 6, bar.title),
        _rectangle(top, end - LEFT, colour),
        _line(least, most, top + 7, top + 7, 'stroke-width="2"'),
        _text(max(end, most) + 8, top + 12, bar.text + cut),
    ]
    return "\n".join(parts)


def _rectangle(top: int, width: float, colour: str) -> str:
    size = f'x="{LEFT}" y="{top}" width="{width:.1f}" height="14"'
    return f'<rect {size} fill="{colour}"/>'


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y}">{escape(text)}</text>'


def _line(x1: float, x2: float, y1: int, y2: int, style: str) -> str:
    ends = f'x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1}" y2="{y2}"'
    return f'<line {ends} stroke="{INK}" {style}/>'
