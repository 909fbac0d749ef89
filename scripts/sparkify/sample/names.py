"""Generate random values and invented names for the sample data.

All values come from `random.Random.random`, whose sequence is the same in all versions
of Python. Functions of the C maths library may differ in the last bit, so none is used.
"""

import random
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_OPENINGS = _words("b br c d dr f g gl h j k kr l m n p r s st t tr v w z")
_VOWELS = _words("a e i o u a e o ai ea")
_CODAS = _words("n r l s m nd rk th")
_ACCENTS = {
    "a": "\u00e0\u00e1\u00e3\u00e4",
    "e": "\u00e8\u00e9\u00ea",
    "i": "\u00ed\u00ef",
    "o": "\u00f3\u00f5\u00f6",
    "u": "\u00fa\u00fc",
}
_ENDINGS = {"F": _words("a ia elle ine y ora"), "M": _words("o an ard ic on us")}

_ADJECTIVES = _words("""
    Amber Blue Borrowed Bright Broken Careless Cold Crooked Distant Early Empty
    Endless Faded First Gentle Golden Heavy Hidden Hollow Last Lonely Long Lost Low
    Midnight Narrow Nervous New Northern Old Open Paper Patient Quiet Restless Rising
    Rusty Secret Silver Slow Small Southern Strange Summer Sweet Tender Thin Tired
    Wild Winter Wooden Young
""")
_NOUNS = _words("""
    Afternoon Airport Alley Anchor Apple Arrow Autumn Avenue Balcony Bell Bicycle
    Border Bridge Candle Carousel Ceiling City Cloud Coast Compass Corner Cradle
    Curtain Dancer Desert Door Engine Evening Feather Ferry Field Fire Flood Garden
    Ghost Glass Harbor Heart Hill Holiday Horizon House Island Kitchen Ladder Lamp
    Letter Lighthouse Machine Map Meadow Mirror Moon Morning Mountain Ocean Orchard
    Parade Pocket Radio Railway River Road Room Satellite Season Shadow Signal Sister
    Sleeper Snow Staircase Star Station Stone Storm Street Sunday Telephone Thunder
    Tide Tower Traveler Valley Wagon Wall Water Whisper Window Wire Wolf
""")
_VERBS = _words("""
    Answer Believe Break Call Carry Chase Cross Drive Find Follow Forget Hear Hold
    Keep Leave Lose Meet Open Paint Remember Shake Sing Steal Trade Trust Turn Wake
""")
_TITLES = (
    "{noun} Of {word}",
    "{verb} The {adjective} {noun}",
    "{verb} My {noun}",
    "{noun} And {other}",
    "Don't {verb} {word}",
    "{adjective} {noun}",
    "{adjective} {noun}",
)
_EDITIONS = (
    "(Album Version)",
    "(Live)",
    "(LP Version)",
    "(Radio Edit)",
    "(Remix)",
    "(Acoustic)",
    "(2003 Digital Remaster)",
)
_ARTISTS = (
    "The {word} {noun}s",
    "{word} & The {noun}s",
    "{word} {other} {band}",
    "{word} {other}",
    "{word} {other}",
)
_BANDS = _words("Band Brothers Choir Collective Ensemble Orchestra Sisters Trio")
_TOWNS = _words("""
    Arlington Ashland Auburn Burlington Centerville Clayton Clinton Dayton Dover
    Fairview Florence Franklin Georgetown Glendale Greenville Hamilton Hudson Jackson
    Kingston Lakewood Lebanon Lexington Madison Manchester Marion Milford Milton
    Newport Oakland Oxford Plymouth Portland Princeton Richmond Riverside Salem
    Springfield Winchester
""")
_STATES = _words("""
    AL AZ CA CO CT FL GA IA IL IN KS KY LA MA MD MI MN MO NC NE NH NJ NM NV NY OH OK
    OR PA SC TN TX UT VA WA WI
""")
_HOME_TOWNS = ("{town}, {state}", "{town}", "{town}, {state}, United States")
_WINDOWS = "Windows NT 10.0; Win64; x64"
_OLD_WINDOWS = "Windows NT 6.1; WOW64"
_MAC = "Macintosh; Intel Mac OS X 10_13_6"
_LINUX = "X11; Linux x86_64"
_PHONE = "iPhone; CPU iPhone OS 12_0 like Mac OS X"
_WEBKIT = '"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) '
_BROWSERS = (
    (
        "Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0",
        (_WINDOWS, _OLD_WINDOWS, _MAC, _LINUX),
    ),
    (
        _WEBKIT + 'Chrome/{version}.0.3497.77 Safari/537.36"',
        (_WINDOWS, _OLD_WINDOWS, _MAC, _LINUX),
    ),
    (
        _WEBKIT + 'Version/12.0 Safari/605.1.{version}"',
        (_MAC, _PHONE),
    ),
)


class Dice:
    """Returns random values from one seed."""

    def __init__(self, seed: str) -> None:
        """Start the sequence of a seed."""
        self.random = random.Random(seed).random  # noqa: S311 -- invented data, not a secret

    def below(self, limit: int) -> int:
        """Return a random integer from 0 to `limit` - 1."""
        return int(self.random() * limit)

    def between(self, low: int, high: int) -> int:
        """Return a random integer from `low` to `high`, inclusive."""
        return low + int(self.random() * (high - low + 1))

    def chance(self, share: float) -> bool:
        """Return true with a probability from 0 to 1."""
        return self.random() < share

    def pick(self, items: Sequence[T]) -> T:
        """Return a random item, each with the same probability."""
        return items[int(self.random() * len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in a random order."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = self.below(last + 1)
            result[last], result[other] = result[other], result[last]
        return result

    def weighted(self, cumulative: Sequence[float]) -> int:
        """Return a random index, given the running totals of weights."""
        return bisect_right(cumulative, self.random() * cumulative[-1])


def zipf_totals(count: int, offset: int) -> list[float]:
    """Return running totals of 1 / (rank + offset), the Zipf-Mandelbrot law."""
    return list(accumulate(1 / (rank + offset) for rank in range(count)))


def word(dice: Dice) -> str:
    """Return an invented capitalised word of two or three syllables."""
    syllables = [dice.pick(_OPENINGS) + dice.pick(_VOWELS) for _ in range(2)]
    if dice.chance(0.3):
        syllables.append(dice.pick(_OPENINGS) + dice.pick(_VOWELS))
    if dice.chance(0.6):
        syllables.append(dice.pick(_CODAS))
    return "".join(syllables).capitalize()


def accented(dice: Dice, text: str) -> str:
    """Return text with an accent on one vowel, or with an added accented letter."""
    indexes = [index for index, letter in enumerate(text) if letter in _ACCENTS]
    if not indexes:
        return text + "\u00e9"
    index = dice.pick(indexes)
    return text[:index] + dice.pick(_ACCENTS[text[index]]) + text[index + 1 :]


def person_name(dice: Dice, gender: str) -> tuple[str, str]:
    """Return an invented first and last name for a gender, F or M."""
    first = dice.pick(_OPENINGS) + dice.pick(_VOWELS) + dice.pick(_CODAS[:5])
    return (first + dice.pick(_ENDINGS[gender])).capitalize(), word(dice)


def artist_name(dice: Dice) -> str:
    """Return an invented artist name. About one in 25 has an accent."""
    name = dice.pick(_ARTISTS).format(
        word=word(dice),
        other=word(dice),
        noun=dice.pick(_NOUNS),
        band=dice.pick(_BANDS),
    )
    return accented(dice, name) if dice.chance(0.04) else name


def song_title(dice: Dice) -> str:
    """Return an invented song title. About one in 25 has an accent."""
    title = dice.pick(_TITLES).format(
        adjective=dice.pick(_ADJECTIVES),
        noun=dice.pick(_NOUNS),
        other=dice.pick(_NOUNS),
        verb=dice.pick(_VERBS),
        word=word(dice),
    )
    if dice.chance(0.15):
        title = f"{title} {dice.pick(_EDITIONS)}"
    return accented(dice, title) if dice.chance(0.04) else title


def metro_area(dice: Dice) -> str:
    """Return an invented location in the format of the logs: `City-City, ST-ST`."""
    towns = [dice.pick(_TOWNS) for _ in range(dice.between(1, 3))]
    states = [dice.pick(_STATES) for _ in range(2 if dice.chance(0.15) else 1)]
    # Unlike a set, dict.fromkeys keeps the order.
    return f"{'-'.join(dict.fromkeys(towns))}, {'-'.join(dict.fromkeys(states))}"


def home_town(dice: Dice) -> str:
    """Return an invented location in one of the catalogue's formats."""
    return dice.pick(_HOME_TOWNS).format(
        town=dice.pick(_TOWNS), state=dice.pick(_STATES)
    )


def user_agent(dice: Dice) -> str:
    """Return a user agent. Most are in additional quotes, as in the real logs."""
    template, systems = dice.pick(_BROWSERS)
    return template.format(system=dice.pick(systems), version=dice.between(58, 70))
