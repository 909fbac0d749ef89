"""The loader's statements for Redshift: constructs, sizes and quoting."""

from __future__ import annotations

import pytest

import redshift_sql
from sparkify.loaders import NewFile
from sparkify.loaders.bookkeeping import Rejection
from sparkify.loaders.redshift import statements as sql
from sparkify.loaders.redshift.external import external_statements, steps_of
from sparkify.loaders.redshift.load import Load, cut
from sparkify.loaders.redshift.statements import insert_statements
from sparkify.loaders.schema import RAW
from sparkify.raw.rules import EVENTS, SONGS
from sparkify.raw.sources import S3Prefix, SourceFile
from sparkify.shared.quoting import quote_redshift_literal

SEEN = "2018-11-30 12:00:00.5"
ROLE = "arn:aws:iam::123456789012:role/sparkify-copy"
FILES = (
    NewFile(
        EVENTS, SourceFile("log_data/it's $5 \\ ü.json", 512, "e1"), replaces=False
    ),
    NewFile(EVENTS, SourceFile("log_data/zipped.json.gz", 99, "e2"), replaces=False),
    NewFile(SONGS, SourceFile("song_data/a.json", 256, "e3"), replaces=True),
)


def load_of(
    files: tuple[NewFile, ...] = FILES,
    staging: str = "s3://mine/lists",
    *,
    is_compact: bool = False,
    whole_loads: dict[str, list[str]] | None = None,
) -> Load:
    return Load(
        source=S3Prefix("s3://udacity-dend"),
        files=files,
        seen=SEEN,
        staging=S3Prefix(staging) if staging else None,
        is_compact=is_compact,
        region="us-west-2",
        role=ROLE,
        max_rejects=1000,
        warehouse="dev",
        whole_loads=whole_loads or {},
    )


REJECTS = [
    Rejection(
        EVENTS.name, FILES[0].file.path, 3, "ts is missing", '{"a\\u00fc": "it\'s"}'
    )
]
CASES = {
    "create": [
        *sql.create_statements(),
        *sql.grants(RAW, 'it\'s "me"'),
        *sql.rights_statements("IAMR:Builder", "dev", is_known=False),
    ],
    "copy_by_manifest": [s.sql for s in load_of().steps()],
    "copy_by_prefix": [s.sql for s in load_of(FILES[:1], "").steps()],
    "copy_with_rejects": [
        s.sql for s in load_of(FILES[:1], "").steps(REJECTS, {EVENTS.name: 41})
    ],
    "copy_again": [
        s.sql
        for s in load_of(FILES[2:], whole_loads={SONGS.name: ["2018-11-29"]}).steps()
    ],
    "copy_compacted": [s.sql for s in load_of(is_compact=True).steps(REJECTS)],
    "external": [
        *external_statements(load_of()),
        *(s.sql for s in steps_of(load_of())),
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_statements_have_no_construct_that_redshift_rejects(case: str) -> None:
    assert [f.construct.name for s in CASES[case] for f in redshift_sql.check(s)] == []


def test_course_bucket_fits_into_batch_without_manifest() -> None:
    songs = [
        SourceFile(f"song_data/A/B/C/TRABC{number:013}.json", 300, f"{number:032}")
        for number in range(14_896)
    ]
    logs = [SourceFile(f"log_data/{n}.json", 9, f"{n:032}") for n in range(30)]
    files = [
        NewFile(table, file, replaces=False)
        for table, part in ((EVENTS, logs), (SONGS, songs))
        for file in part
    ]
    steps = load_of(tuple(files), "").steps()
    assert len(steps) <= sql.MAX_STATEMENTS
    assert len(load_of(tuple(files)).steps()) < 20


def test_load_id_depends_on_files_and_options() -> None:
    same = load_of()
    others = [
        load_of(FILES[:1]),
        load_of(is_compact=True),
        load_of(staging="s3://mine/other"),
        load_of(staging=""),
    ]
    assert same.id == load_of().id
    assert len({same.id, *(other.id for other in others)}) == 5


def test_literal_is_quoted_for_redshift() -> None:
    assert quote_redshift_literal("it's \\n") == "'it''s \\\\n'"
    with pytest.raises(ValueError, match="NUL"):
        quote_redshift_literal("a\0b")


def test_long_list_is_split_below_statement_limit() -> None:
    rows = [(f"song_data/{'ü' * 60}/{n}.json", n, None, True) for n in range(5000)]
    statements = insert_statements("new_files", rows)
    assert 1 < len(statements) < 10
    assert max(len(s.encode()) for s in statements) <= sql.MAX_STATEMENT_BYTES
    assert sum(s.count("\n(") for s in statements) == len(rows)


def test_text_is_cut_between_characters() -> None:
    assert cut("üüü", 5) == "üü"
    assert cut("üü", 4) == "üü"
