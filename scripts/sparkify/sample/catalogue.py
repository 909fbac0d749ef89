"""Generate the sample's song catalogue, and the plays that the logs can contain.

All special cases of the real catalogue precede the ordinary songs, so a sample of the
default size has each of them for any seed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypedDict, Unpack

from sparkify.sample.names import (
    Dice,
    accented,
    artist_name,
    home_town,
    song_title,
    word,
    zipf_totals,
)

UNITS = 100_000  # unit of durations: 0.00001 s, as in the files
SHORTEST, LONGEST = 30 * UNITS, 590 * UNITS
SONGS_PER_FOLDER = 25
ASCII_SPACE = " \t\n\v\f\r"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Location(NamedTuple):
    """Location and coordinates of an artist in one row of the catalogue."""

    location: str | None
    latitude: float | None
    longitude: float | None


NOWHERE = Location("", None, None)


@dataclass(frozen=True, slots=True)
class Artist:
    """An artist, with the name and location of most catalogue rows."""

    artist_id: str
    name: str
    place: Location


@dataclass(frozen=True, slots=True)
class Song:
    """One row of the catalogue. `duration` is in units of 0.00001 s."""

    song_id: str
    title: str
    artist_id: str
    artist_name: str
    place: Location
    year: int
    duration: int

    def record(self) -> dict[str, object]:
        """Return the row as a JSON record, with keys in the order of the real files."""
        return {
            "artist_id": self.artist_id,
            "artist_latitude": self.place.latitude,
            "artist_location": as_number(self.place.location),
            "artist_longitude": self.place.longitude,
            "artist_name": as_number(self.artist_name),
            "duration": self.duration / UNITS,
            "num_songs": 1,
            "song_id": self.song_id,
            "title": as_number(self.title),
            "year": self.year,
        }


class Play(NamedTuple):
    """A song in the logs: JSON text of its fields, and its length in ms."""

    artist: str
    length: str
    title: str
    milliseconds: int


def as_number(text: str | None) -> str | int | None:
    """Return text as an integer if it has only digits, as in the real files."""
    is_number = text is not None and text.isdecimal() and str(int(text)) == text
    return int(text) if text is not None and is_number else text


def encoded_twice(text: str) -> str:
    """Return text encoded twice, as in the real logs (decision 0002). Keeps ASCII."""
    for _ in range(2):
        text = text.encode().decode("latin-1")
    return text


def log_json(text: str | None) -> str:
    """Return text as JSON of the logs: encoded twice, or an integer if digits."""
    value = as_number(text)
    return json.dumps(encoded_twice(value) if isinstance(value, str) else value)


def compact_json(record: Mapping[str, object]) -> str:
    """Return a record as ASCII JSON without blanks, as in the real files."""
    return json.dumps(record, separators=(",", ":"))


def track_path(dice: Dice, number: int) -> str:
    """Return the path of the song file with this number: `A/B/C/TRABC….json`."""
    folder = number // SONGS_PER_FOLDER
    folders = [_LETTERS[folder // 26**power % 26] for power in (2, 1, 0)]
    stem = _identifier(dice, "TR" + "".join(folders), "128F", number)
    return "/".join([*folders, stem + ".json"])


def _identifier(dice: Dice, prefix: str, infix: str, number: int) -> str:
    """Return an id of 18 characters, distinct for each number below 2**28."""
    letters = "".join(dice.pick(_LETTERS) for _ in range(7 - len(prefix)))
    # An odd factor permutes the numbers, so they look random without collisions.
    return f"{prefix}{letters}{infix}{number * 0x9E3779B1 % 2**28:07X}"


def _play(artist: str, title: str, duration: int) -> Play:
    length = json.dumps(duration / UNITS)
    return Play(log_json(artist), length, log_json(title), duration // (UNITS // 1000))


def _match_key(title: str, artist: str) -> tuple[str, str]:
    return title.strip(ASCII_SPACE), artist.strip(ASCII_SPACE)


class Shelf:
    """Draws plays: a few are popular, most are rare, some are special cases."""

    def __init__(self, plays: list[Play], odd_plays: list[Play], gap: int) -> None:
        """Set the plays, most popular first.

        Every `gap`-th draw returns one of `odd_plays`, until all were drawn.
        """
        self._plays = plays
        self._totals = zipf_totals(len(plays), offset=20)
        self._odd_plays = odd_plays[::-1]
        self._gap = gap
        self._drawn = 0

    def draw(self, dice: Dice) -> Play:
        """Return a random play."""
        self._drawn += 1
        if self._odd_plays and self._drawn % self._gap == 0:
            return self._odd_plays.pop()
        return self._plays[dice.weighted(self._totals)]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The songs of the catalogue, and plays of known and unknown songs."""

    songs: list[Song]
    known: Shelf
    unknown: Shelf


class Jukebox:
    """Draws plays, with a given share from the catalogue."""

    def __init__(self, dice: Dice, songs: Catalogue, match_share: float) -> None:
        """Set the plays, and the share of catalogue songs, from 0 to 1."""
        self._dice = dice
        self._songs = songs
        self._share = match_share
        self._plays = 0
        self._matches = 0

    def draw(self) -> Play:
        """Return a random play, so that the share of catalogue songs is kept."""
        lag = self._share * self._plays - self._matches
        is_known = self._dice.chance(self._share + lag / 20)
        self._plays += 1
        self._matches += is_known
        shelf = self._songs.known if is_known else self._songs.unknown
        return shelf.draw(self._dice)


def make_catalogue(dice: Dice, count: int) -> Catalogue:
    """Return `count` songs, their plays, and plays of six times as many others."""
    maker = _CatalogueMaker(dice)
    maker.add_odd_songs()
    while len(maker.songs) < count:
        maker.add_ordinary_song(artist_count=max(1, count * 3 // 5))
    songs = maker.songs[:count]
    song_ids = {song.song_id for song in songs}
    known = [
        _play(song.artist_name, song.title, maker.heard_duration(song))
        for song in songs
    ]
    odd = [play for song_id, play in maker.odd_plays if song_id in song_ids]
    return Catalogue(
        songs=songs,
        known=Shelf(dice.shuffled(known), odd, gap=5),
        unknown=_other_songs(dice, songs),
    )


class _Known(TypedDict, total=False):
    """Fields of a song that are not random."""

    artist_name: str
    place: Location
    year: int
    duration: int


class _CatalogueMaker:
    """Creates songs one by one."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.songs: list[Song] = []
        self.odd_plays: list[tuple[str, Play]] = []
        self.artists: list[Artist] = []
        self._artist_count = 0

    def artist(self, name: str | None = None, place: Location | None = None) -> Artist:
        """Return a new artist."""
        self._artist_count += 1
        return Artist(
            artist_id=_identifier(self.dice, "AR", "1187", self._artist_count),
            name=artist_name(self.dice) if name is None else name,
            place=self.place() if place is None else place,
        )

    def place(self) -> Location:
        """Return a random location. Half are unknown, as in the real catalogue."""
        dice = self.dice
        if dice.chance(0.45):
            return NOWHERE
        if dice.chance(0.05):
            return Location(None, None, None)
        if dice.chance(0.3):
            return Location(home_town(dice), None, None)
        return self.known_place()

    def known_place(self) -> Location:
        """Return a random location with a name and coordinates."""
        latitude = self.dice.between(2_600_000, 4_800_000) / 100_000
        longitude = -self.dice.between(7_000_000, 12_300_000) / 100_000
        return Location(home_town(self.dice), latitude, longitude)

    def add(
        self, artist: Artist, title: str | None = None, **known: Unpack[_Known]
    ) -> Song:
        """Add a song with the `known` fields and random others. Return it."""
        dice = self.dice
        song = Song(
            song_id=_identifier(dice, "SO", "12A8", len(self.songs)),
            title=song_title(dice) if title is None else title,
            artist_id=artist.artist_id,
            artist_name=artist.name,
            place=artist.place,
            year=0 if dice.chance(0.3) else dice.between(1960, 2010),
            duration=self.duration(),
        )
        self.songs.append(replace(song, **known))
        return self.songs[-1]

    def duration(self) -> int:
        """Return a random duration in units of 0.00001 s, mostly 3 to 5 minutes."""
        spread = self.dice.below(300 * UNITS) + self.dice.below(250 * UNITS)
        return SHORTEST + spread // 2 + self.dice.below(60 * UNITS)

    def heard_duration(self, song: Song) -> int:
        """Return a duration in the logs, often that of another recording."""
        if self.dice.chance(0.4):
            return song.duration
        other = song.duration + self.dice.between(-20 * UNITS, 20 * UNITS)
        return min(max(other, SHORTEST), LONGEST)

    def hear(
        self, song: Song, duration: int | None = None, title: str | None = None
    ) -> None:
        """Add a play to the logs, by default with the song's own values."""
        play = _play(
            song.artist_name,
            song.title if title is None else title,
            song.duration if duration is None else duration,
        )
        self.odd_plays.append((song.song_id, play))

    def add_ordinary_song(self, artist_count: int) -> None:
        """Add a song by a new or an existing artist."""
        dice = self.dice
        has_room = len(self.artists) < artist_count and dice.chance(0.7)
        if has_room or not self.artists:
            self.artists.append(self.artist())
            self.add(self.artists[-1])
            return
        artist = dice.pick(self.artists)
        name, place = artist.name, artist.place
        if dice.chance(0.05):
            name = dice.pick((f"{name} feat. {word(dice)}", f"{name}_ {name}"))
        if dice.chance(0.05):
            place = self.place()
        self.add(artist, artist_name=name, place=place)

    def add_odd_songs(self) -> None:
        """Add one or a few songs for each special case of the real catalogue."""
        self._add_songs_with_same_title()
        self._add_odd_texts()
        self._add_artists_with_variants()

    def _add_songs_with_same_title(self) -> None:
        artist = self.artist()
        first, second, third = (
            self.add(artist, "Empty Harbor Song", duration=seconds * UNITS)
            for seconds in (200, 210, 240)
        )
        self.hear(first, 204 * UNITS + 99_999)  # nearest to 200 s
        self.hear(second, 205 * UNITS)  # between 200 and 210 s: song_id decides
        self.hear(third)
        self.hear(third, 400 * UNITS)

        artist = self.artist()
        twins = [
            self.add(artist, "The Paper Twins", duration=18_234_567) for _ in range(2)
        ]
        self.hear(twins[0])
        self.hear(twins[1], 19_000_001)

        for _ in range(3):
            song = self.add(self.artist(), "Everybody Sings It")
            self.hear(song)
            self.hear(song, song.duration + 123)

    def _add_odd_texts(self) -> None:
        dice = self.dice
        self.hear(self.add(self.artist(name=str(dice.between(100, 999)))))
        self.hear(self.add(self.artist(), str(dice.between(1961, 1999))))
        self.add(self.artist(place=Location(str(dice.between(10, 99)), None, None)))

        song = self.add(self.artist(), "Rusty Bicycle ")
        self.hear(song)
        self.hear(song, title="Rusty Bicycle")
        song = self.add(self.artist(), "Tender Machine")
        self.hear(song, title=" Tender Machine")

        # The real data has a control character instead of a right quote.
        self.hear(self.add(self.artist(), "Runnin\x19 From The Weather"))
        self.hear(self.add(self.artist(), 'The "Hollow" Lighthouse / Part 1\\2'))

        self.hear(self.add(self.artist(), accented(dice, "Gentle Carousel")))
        self.hear(self.add(self.artist(name=accented(dice, word(dice)))))
        self.hear(self.add(self.artist(), "The Traveler\u2019s Radio"))
        # The last letter, encoded twice, ends in a no-break space.
        self.hear(self.add(self.artist(), "Le Phare Est L\u00e0"))
        twice = encoded_twice("Santa In\u00eas")
        self.add(self.artist(place=Location(twice, -23.5475, -46.63611)))

    def _add_artists_with_variants(self) -> None:
        # One artist has a most frequent name, another equally frequent names.
        artist = self.artist(name="Koraline Vestry")
        for name in (
            f"{artist.name} & Friends",
            artist.name,
            artist.name,
            "Koraline V.",
        ):
            self.hear(self.add(artist, artist_name=name))
        artist = self.artist(name="Dremond")
        for name in (artist.name, "Drem\u00f5nd", "Dremond_ Dremond", "Tremond"):
            self.hear(self.add(artist, artist_name=name))

        artist = self.artist()
        both, other = self.known_place(), self.known_place()
        for place in (
            NOWHERE,
            Location(None, other.latitude, other.longitude),
            Location(other.location, None, None),
            both,
            other,
        ):
            self.add(artist, place=place, year=0)

        self.hear(self.add(self.artist(place=Location(None, None, None)), year=0))
        self.hear(self.add(self.artist(place=NOWHERE), year=0))
        self.hear(self.add(self.artist(place=self.known_place()), year=1987))


def _other_songs(dice: Dice, songs: list[Song]) -> Shelf:
    """Return plays of songs that are not in the catalogue."""
    known = {_match_key(song.title, song.artist_name) for song in songs}
    count = min(max(6 * len(songs), 1_000), 60_000)
    artists = [artist_name(dice) for _ in range(count // 2)]
    maker = _CatalogueMaker(dice)
    first = songs[0]
    odd = [
        ("Tr\u00e4umer", "Na\u00efve Ni\u00f1os"),
        ("La Gare Est L\u00e0", dice.pick(artists)),
        ("It\u2019s A Narrow Bridge", dice.pick(artists)),
        ("\u65e5\u66dc\u65e5", "Orchestra \u4e09"),
        ("Shakin\x19 The Ladder", dice.pick(artists)),
        (" Careless Thunder", dice.pick(artists)),
        ("Careless Thunder  ", f"{dice.pick(artists)} "),
        (str(dice.between(1900, 1999)), dice.pick(artists)),
        ("Nervous Telephone", str(dice.between(1000, 9999))),
        ('"Quoted" And \\Slashed/', dice.pick(artists)),
        # Only the title or only the artist matches a catalogue song.
        (first.title, "Nobody Of That Title"),
        ("Nothing By That Artist", first.artist_name),
        (first.title.upper(), first.artist_name),
    ]
    plays: list[Play] = []
    while len(plays) < count:
        title = song_title(dice)
        artist = dice.pick(artists)
        if dice.chance(0.2):
            artist = dice.pick(songs).artist_name
        if _match_key(title, artist) not in known:
            plays.append(_play(artist, title, maker.duration()))
    # Text that was encoded only once is not repaired.
    once = json.dumps("Caf\u00e9 Amber".encode().decode("latin-1"))
    odd_plays = [_play(artist, title, maker.duration()) for title, artist in odd]
    odd_plays.append(odd_plays[0]._replace(title=once))
    return Shelf(plays, odd_plays, gap=60)
