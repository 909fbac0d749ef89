"""How big the warehouse is at a size: formulas, each a pure function, and list prices.

`scale_check.py` holds each formula to a measurement at small size, and `scale_page.py`
writes docs/scale.md of both. GB and TB are 10^9 and 10^12 bytes, money is US dollars, a
night is the load and build of one day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from statistics import NormalDist
from typing import Final

from compact import PART_BYTES
from sample_visits import DAY_WEIGHTS, HOUR, HOUR_WEIGHTS

# --- What a record is; scale_check.py says how far off it is elsewhere ---

JSON_BYTES: Final = 462.0
"""Bytes of an event in the logs, its line end included."""
GZIP_RATIO: Final = 10.2
"""Bytes of JSON for each byte of it gzipped."""
PLAY_SHARE: Final = 0.86
"""Events that are plays."""
EVENTS_PER_SESSION: Final = 8.5
"""Events of a session in the real logs; generated sessions are longer."""
EVENTS_PER_USER: Final = 3_000.0
"""Events of a user in three years: 83 a month, as in the real logs."""
ARTISTS_PER_SONG: Final = 0.62
LEVELS_PER_USER: Final = 1.1
"""Rows of user_level_history for a user, in a month or two."""
SAME_MOMENT_SHARE: Final = 0.0007
"""Plays that begin in the same millisecond as another of their session."""
ROW_BYTES: Final = {
    "staging_events": 28.0,
    "int_event_versions": 47.0,
    "songplays": 44.0,
    "time": 4.5,
    "sessions": 21.0,
    "user_level_history": 35.0,
    "users": 22.0,
    "staging_songs": 60.0,
    "songs": 32.0,
    "artists": 33.0,
}
"""Bytes of a row in columns: of Parquet, ZSTD, no dictionary, in Redshift's stead."""
QUESTION_BYTES: Final = 15.0
"""Bytes of a play that a question reads of its time, user, song title and artist."""
NIGHT_SCAN_BYTES: Final = 110.0
"""Bytes of each event of the past that a night's models read to find what changed."""

# --- What Redshift is ---

BLOCK: Final = 1 << 20
"""A block. Source: "Columnar storage", Amazon Redshift Database Developer Guide."""
HIDDEN_COLUMNS: Final = 3
"""Source: "Why does a table in an Amazon Redshift cluster consume more or less disk
storage space than expected?", AWS Knowledge Center."""
SEGMENTS: Final = 2
"""Of a table with a sort key: one sorted, one not. Source: the same."""
COLUMNS: Final = {
    "staging_events": 20,
    "int_event_versions": 21,
    "songplays": 14,
    "time": 8,
    "sessions": 10,
    "user_level_history": 11,
    "users": 7,
    "staging_songs": 12,
    "songs": 6,
    "artists": 6,
}
ON_EACH_NODE: Final = ("users", "songs", "artists")
"""Tables with the distribution style ALL (docs/decisions/0003)."""

HISTORY_DAYS: Final = 1_096
"""Three years of nights."""
HOURS_A_MONTH: Final = 730.0


@dataclass(frozen=True)
class Price:
    """A list price, on demand; `dated` is the day for which the source gives it."""

    dollars: float
    unit: str
    region: str
    source: str
    dated: str


_OFFER = "AWS Price List"
PRICES: Final = {
    "ra3.xlplus": Price(1.086, "hour", "us-east-1", _OFFER, "2026-10-05"),
    "ra3.4xlarge": Price(3.26, "hour", "us-east-1", _OFFER, "2026-10-05"),
    "ra3.16xlarge": Price(13.04, "hour", "us-east-1", _OFFER, "not said"),
    "rg.xlarge": Price(0.7602, "hour", "us-east-1", _OFFER, "2026-10-05"),
    "rg.4xlarge": Price(3.04267, "hour", "us-east-1", _OFFER, "2026-10-05"),
    "rg.12xlarge": Price(9.128, "hour", "us-east-1", _OFFER, "2026-09-24"),
    "serverless": Price(0.36, "RPU-hour", "us-west-2", _OFFER, "2026-09-11"),
    "managed storage": Price(0.024, "GB-month", "us-east-1", _OFFER, "2026-10-05"),
    "Spectrum": Price(5.0, "TB scanned", "us-east-1", _OFFER, "2026-10-05"),
    "S3, first 50 TB": Price(0.023, "GB-month", "us-west-2", _OFFER, "not said"),
    "S3, next 450 TB": Price(0.022, "GB-month", "us-east-1", _OFFER, "not said"),
    "S3, beyond": Price(0.021, "GB-month", "us-west-2", _OFFER, "not said"),
    "EMR Serverless vCPU": Price(
        0.052624, "vCPU-hour", "us-east-1", "Amazon EMR pricing", "2026-08-13"
    ),
    "EMR Serverless memory": Price(
        0.0057785, "GB-hour", "us-east-1", "Amazon EMR pricing", "2026-08-13"
    ),
}


@dataclass(frozen=True)
class Node:
    """A node type. ``io`` is in bytes a second, ``most`` the nodes of a new cluster.

    Sources: "Node type details" in the Amazon Redshift Management Guide; for ``io`` the
    table of node types on the page "Amazon Redshift pricing".
    """

    name: str
    slices: int
    io: float
    fewest: int
    most: int


NODES: Final = (
    Node("ra3.xlplus", 2, 0.65e9, 2, 16),
    Node("ra3.4xlarge", 4, 2.0e9, 2, 32),
    Node("ra3.16xlarge", 16, 8.0e9, 2, 128),
)
PATIENCE: Final = 60.0
"""Seconds that a question about a year's plays may take to read its columns."""


@dataclass(frozen=True)
class Size:
    """A warehouse of three years, by what was loaded into it."""

    events: float
    songs: float
    days: int = HISTORY_DAYS

    @property
    def users(self) -> float:
        """Give the users of the app."""
        return self.events / EVENTS_PER_USER

    @property
    def night_events(self) -> float:
        """Give the events of a night."""
        return self.events / self.days


SIZES: Final = {
    "100 million": Size(1e8, 14_896),
    "10 billion": Size(1e10, 1_000_000),
    "1 trillion": Size(1e12, 100_000_000),
}
"""Songs: those of the bucket, of the Million Song Dataset, of a large service."""


def json_bytes(events: float) -> float:
    """Give the bytes of so many events as JSON lines."""
    return events * JSON_BYTES


def gzip_bytes(events: float) -> float:
    """Give the bytes of so many events as gzipped JSON lines."""
    return json_bytes(events) / GZIP_RATIO


def moments(plays: float, days: int, tick: int = 1) -> float:
    """Give the rows of `time`: the distinct moments of so many plays in so many days.

    A clock of ``tick`` milliseconds can show only so many moments. Plays fall on them
    by chance, as busy as the hour and the day of the week are, so of m moments n plays
    reach m * (1 - exp(-n / m)).
    """
    weights = [hour * day for day, hour in product(DAY_WEIGHTS, HOUR_WEIGHTS)]
    apart = plays * (1 - SAME_MOMENT_SHARE)
    clock = days * 24 * HOUR / tick / len(weights)
    return sum(
        -clock * math.expm1(-apart * weight / sum(weights) / clock)
        for weight in weights
    )


def rows(size: Size) -> dict[str, float]:
    """Give the rows of each table. `songs` is the catalogue's, one row a song."""
    plays = size.events * PLAY_SHARE
    return {
        "staging_events": size.events,
        "int_event_versions": size.events,
        "songplays": plays,
        "time": moments(plays, size.days),
        "sessions": size.events / EVENTS_PER_SESSION,
        "user_level_history": size.users * LEVELS_PER_USER,
        "users": size.users,
        "staging_songs": size.songs,
        "songs": size.songs,
        "artists": size.songs * ARTISTS_PER_SONG,
    }


def least_bytes(columns: int, places: int) -> float:
    """Give the least that a sorted table takes: a block a column, slice and segment.

    ``places`` are slices, or nodes for a table that is on each node whole.
    Source: as HIDDEN_COLUMNS.
    """
    return BLOCK * (columns + HIDDEN_COLUMNS) * places * SEGMENTS


def table_bytes(size: Size, node: Node, nodes: int) -> dict[str, float]:
    """Give the bytes of each table on a cluster: its rows, or its fewest blocks."""
    found = {}
    for table, count in rows(size).items():
        everywhere = table in ON_EACH_NODE
        copies = nodes if everywhere else 1
        places = nodes if everywhere else nodes * node.slices
        found[table] = max(
            count * ROW_BYTES[table] * copies, least_bytes(COLUMNS[table], places)
        )
    return found


def cluster(size: Size, days: int = 365) -> tuple[Node, int]:
    """Choose the smallest nodes that read so many days' plays in a minute.

    A question reads four columns of them (QUESTION_BYTES).
    Raises ValueError if no cluster is large enough.
    """
    asked = size.events * PLAY_SHARE * min(1.0, days / size.days) * QUESTION_BYTES
    for node in NODES:
        nodes = max(node.fewest, math.ceil(asked / PATIENCE / node.io))
        if nodes <= node.most:
            return node, nodes
    raise ValueError(size)


def fullest_slice(row_count: float, slices: int) -> float:
    """Give by how many times its even share the fullest slice is filled.

    Rows that are hashed fall on slices by chance: n / s each, give or take its square
    root, and the fullest of s is as far out as the largest of s normal values (Blom).
    """
    largest = NormalDist().inv_cdf((slices - 0.375) / (slices + 0.25))
    return 1 + largest * math.sqrt(slices / row_count)


def copy_files(size: float, slices: int, part: float = PART_BYTES) -> int:
    """Give the files into which so many bytes of JSON are best cut.

    No larger than a part of `compact.py`, as many as slices or a multiple. Source:
    "Loading data files", Amazon Redshift Database Developer Guide.
    """
    return max(1, math.ceil(size / part / slices)) * slices


def compacted_parts(files: int, file_bytes: float, part: float) -> int:
    """Give the parts that `compact.py` writes of files of one size.

    A part ends where a file ends, so it holds as many files as reach its size.
    """
    return math.ceil(files / math.ceil(part / file_bytes))


def manifest_bytes(files: int, address: int) -> int:
    """Give the bytes of a manifest of files whose addresses have so many characters."""
    entry = len('{"url": "", "mandatory": true}') + address
    return len('{"entries": []}') + files * entry + (files - 1) * len(", ")


def block_share(days: float, oldest: float, blocks_a_slice: float = math.inf) -> float:
    """Give the share of blocks that a bounded delete looks at.

    It looks at all between the oldest changed row and the newest (docs/decisions/0008):
    ``oldest`` is how many days before the end that is. On each slice one block more is
    cut by the bound, half of it on average.
    """
    return min(1.0, oldest / days + 0.5 / blocks_a_slice)


def blocks_a_slice(row_count: float, row_bytes: float, slices: int) -> float:
    """Give the blocks of a column on a slice."""
    return max(1.0, row_count * row_bytes / slices / BLOCK)


@dataclass(frozen=True)
class Night:
    """What a night does: rows that it makes, bytes that it reads and adds."""

    events: float
    plays: float
    sessions: float
    read_bytes: float
    added_bytes: float

    @property
    def rows(self) -> float:
        """Give the rows that it writes: versions, plays, moments and sessions."""
        return self.events + 2 * self.plays + self.sessions


def night(size: Size, node: Node, nodes: int) -> Night:
    """Tell what a night does to a warehouse of a size.

    It makes the rows of what came, but reads columns of all that is there to find what
    changed. What it adds is at least a block a column and slice.
    """
    events = size.night_events
    tables = ("staging_events", "int_event_versions", "songplays", "time", "sessions")
    counts = rows(size)
    added = sum(
        max(
            counts[table] / size.days * ROW_BYTES[table],
            BLOCK * (COLUMNS[table] + HIDDEN_COLUMNS) * nodes * node.slices,
        )
        for table in tables
    )
    return Night(
        events,
        events * PLAY_SHARE,
        events / EVENTS_PER_SESSION,
        size.events * NIGHT_SCAN_BYTES,
        added,
    )


def nodes_month(name: str, nodes: int) -> float:
    """Give the dollars of nodes that run all month."""
    return PRICES[name].dollars * nodes * HOURS_A_MONTH


def storage_month(size: float) -> float:
    """Give the dollars of a month's managed storage, for bytes."""
    return size / 1e9 * PRICES["managed storage"].dollars


def s3_month(size: float) -> float:
    """Give the dollars of a month in S3, for bytes; the first TB cost more."""
    tiers = (("S3, first 50 TB", 50e12), ("S3, next 450 TB", 450e12))
    dollars = 0.0
    for name, width in tiers:
        dollars += min(size, width) / 1e9 * PRICES[name].dollars
        size = max(0.0, size - width)
    return dollars + size / 1e9 * PRICES["S3, beyond"].dollars


def serverless_month(rpus: int, hours_a_day: float) -> float:
    """Give the dollars of a month of Redshift Serverless at work for hours a day."""
    return rpus * hours_a_day * HOURS_A_MONTH / 24 * PRICES["serverless"].dollars


def spectrum_scan(size: float) -> float:
    """Give the dollars of one scan of external tables, for bytes."""
    return size / 1e12 * PRICES["Spectrum"].dollars


def spark_month(events: float, rate: float) -> float:
    """Give the dollars of a month of nights on EMR Serverless.

    ``events`` are those of a night, ``rate`` what a vCPU with 4 GB does in a second.
    """
    hour = PRICES["EMR Serverless vCPU"].dollars
    hour += 4 * PRICES["EMR Serverless memory"].dollars
    return events / rate / 3600 * hour * HOURS_A_MONTH / 24
