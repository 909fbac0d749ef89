"""Forms, compressions and names that a raw file may have."""

from __future__ import annotations

import bz2
import gzip
import json
import sys
from collections.abc import Callable

from raw_lines import event

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def indented(record: bytes) -> bytes:
    """Return a record as JSON over several lines."""
    return json.dumps(json.loads(record), indent=2).encode()


FORMS = {
    "no newline at end": b"\n".join([event(item=0), event(item=1)]),
    "newline at end": b"\n".join([event(item=0), event(item=1), b""]),
    "CRLF": b"\r\n".join([event(item=0), event(item=1), b""]),
    "BOM": b"\xef\xbb\xbf" + b"\n".join([event(item=0), event(item=1)]),
    "blank lines": b"\n \t\n" + event() + b"\n\n\r\n" + event(item=1) + b"\n\n",
    "blanks": event(item=0) + b"\n" + b"  " + event(item=1) + b"\t",
    "CR alone": b"\r".join([event(item=0), event(item=1)]),
    "array on one line": b"[%b, %b]" % (event(item=0), event(item=1)),
    "array": b"[\n  %b,\n  %b\n]\n" % (event(item=0), event(item=1)),
    "one after the other": event(item=0) + event(item=1),
    "over several lines": b"\n".join(map(indented, [event(item=0), event(item=1)])),
    "BOM inside": b"\n\xef\xbb\xbf".join([event(item=0), event(item=1)]),
}
FILES = ["plain.json", "zipped.json.gz", "zipped.json"]
COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "a.jsonl": bytes,
    "a.ndjson.gz": gzip.compress,
    "a.JSONL.bz2": bz2.compress,
    "a.json.zst": zstd.compress,
    "named otherwise.ndjson": zstd.compress,
    "bz2 in truth.json.gz": bz2.compress,
}
NAMES = [
    "it's.json",
    'quote".json',
    "*.json",
    "[a].json",
    "{a,b}.json",
    "a b.json",
    "ü ♫.json",
    "semi;drop table x;--.json",
    "year=2018/x.json",
    "back\\slash.json",
    "new\nline.json",
    "$files.json",
    "LOUD.JSON",
]
