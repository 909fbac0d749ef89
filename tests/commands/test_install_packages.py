"""Test that dbt packages come from the hub, or from stand-ins that behave alike."""

import hashlib
import http.server
import io
import json
import socket
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner

import install_packages

PACKAGES = (
    'packages:\n  - package: dbt-labs/dbt_utils\n    version: [">=1.3.0", "<2.0.0"]\n'
)

PROJECT = """
name: tiny
version: 1.0.0
profile: tiny
models: {tiny: {+materialized: table}}
dispatch: [{macro_namespace: dbt_utils, search_order: [tiny, dbt_utils]}]
"""

PROFILES = """
tiny:
  target: tiny
  outputs: {tiny: {type: duckdb, path: tiny.duckdb}}
"""


class Hub(http.server.ThreadingHTTPServer):
    """A package hub on the loopback interface with two versions of dbt_utils."""

    def __init__(self) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.downloads_url = self.url
        self.status = 200

    def page(self, path: str) -> bytes:
        """Return the page at a path."""
        if path == "/api/v1/index.json":
            return json.dumps(["dbt-labs/dbt_utils"]).encode()
        if path.endswith(".tar.gz"):
            version = path.removeprefix("/").removesuffix(".tar.gz")
            return tarball("dbt_project.yml", f"name: dbt_utils\nversion: {version}\n")
        versions: dict[str, object] = {
            version: {
                "name": "dbt_utils",
                "version": version,
                "packages": [],
                "downloads": {"tarball": f"{self.downloads_url}{version}.tar.gz"},
            }
            for version in ("1.3.7", "1.4.0")
        }
        return json.dumps({"name": "dbt_utils", "versions": versions}).encode()


class HubHandler(http.server.BaseHTTPRequestHandler):
    """Answers dbt's requests."""

    server: Hub

    def do_GET(self) -> None:
        """Send a page of the hub."""
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.page(self.path))

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def tarball(file: str, text: str) -> bytes:
    """Pack a file into a folder, as releases are packed."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        folder = tarfile.TarInfo("dbt-utils")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        member = tarfile.TarInfo(f"dbt-utils/{file}")
        member.size = len(text.encode())
        archive.addfile(member, io.BytesIO(text.encode()))
    return data.getvalue()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a dbt project that requires dbt_utils, and work in its folder."""
    (tmp_path / "dbt_project.yml").write_text(PROJECT)
    (tmp_path / "profiles.yml").write_text(PROFILES)
    (tmp_path / "packages.yml").write_text(PACKAGES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def closed_hub(monkeypatch: pytest.MonkeyPatch) -> str:
    """Set the hub's URL to a closed port, and return it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("DBT_PACKAGE_HUB_URL", url)
    return url


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Run a hub, and set dbt's URL of the hub to it."""
    with Hub() as server:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("DBT_PACKAGE_HUB_URL", server.url)
        # dbt reads the variable once per process, and caches each page.
        registry = "dbt.clients.registry"
        monkeypatch.setattr(f"{registry}.DEFAULT_REGISTRY_BASE_URL", server.url)
        monkeypatch.setattr(f"{registry}._get_cached.cache", {})
        monkeypatch.setattr(f"{registry}.index_cached.cache", {})
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def install(project: Path) -> int:
    return install_packages.main(["--project-dir", str(project)])


def version_in(project: Path) -> str:
    settings = (project / "dbt_packages" / "dbt_utils" / "dbt_project.yml").read_text()
    return settings.partition("version: ")[2].split()[0]


@pytest.mark.usefixtures("closed_hub")
def test_without_hub_one_line_names_stand_in(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert install(project) == 0
        printed = capsys.readouterr()
        assert "dbt_packages/ contains a stand-in of dbt_utils" in printed.out
        assert printed.out.count("\n") == 1
        assert printed.err == ""
        assert version_in(project) == "0.0.0-stand-in"


def test_failing_hub_downloads_install_stand_in(
    project: Path,
    hub: Hub,
    closed_hub: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DBT_PACKAGE_HUB_URL", hub.url)
    # dbt need not wait. Other threads of this process still use time.sleep.
    monkeypatch.setattr(
        "dbt_common.utils.connection.time", SimpleNamespace(sleep=lambda _: None)
    )
    hub.downloads_url = closed_hub
    assert install(project) == 0
    assert "a stand-in of dbt_utils" in capsys.readouterr().out
    assert version_in(project) == "0.0.0-stand-in"


def test_real_package_replaces_stand_in_and_stays(
    project: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.status = 503
    assert install(project) == 0
    assert "HTTP status 503" in capsys.readouterr().out
    hub.status = 200
    assert install(project) == 0
    assert capsys.readouterr() == ("", "")
    assert version_in(project) == "1.4.0"
    hub.status = 503
    assert install(project) == 0
    assert "an earlier version of dbt_utils" in capsys.readouterr().out
    assert version_in(project) == "1.4.0"


@pytest.mark.usefixtures("hub")
def test_incompatible_versions_are_an_error(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "packages.yml").write_text(PACKAGES.replace("1.3.0", "1.5.0"))
    assert install(project) == 2
    printed = capsys.readouterr()
    assert "version for package dbt-labs/dbt_utils" in printed.err
    assert printed.err.count("\n") == 2


KEYS = """
select
    row_number,
    {{ dbt_utils.generate_surrogate_key(['number', 'name']) }} as two_columns,
    {{ dbt_utils.generate_surrogate_key(['number']) }} as one_column,
    {{ dbt_utils.generate_surrogate_key(['overridden']) }} as overridden
from (
    values (1, 7, 'Ada'), (2, 7, ''), (3, 7, null), (4, null, 'null'), (5, null, null)
) as rows (row_number, number, name)
"""

OVERRIDE = """
{% macro default__generate_surrogate_key(field_list) %}
    {%- if field_list == ['overridden'] -%} 'by tiny'
    {%- else -%} {{ dbt_utils.default__generate_surrogate_key(field_list) }}
    {%- endif -%}
{% endmacro %}
"""

PAIRS = """
select * from (
    values (1, 1, 'a'), (1, 2, 'a'), (2, 2, 'b'), (2, 1, null), (3, 3, null)
) as rows (low, high, "Order")
"""

# `finds` is the number of rows that the test of dbt_utils itself returns.
PAIRS_YML = """
models:
  - name: pairs
    data_tests:
      - dbt_utils.unique_combination_of_columns:
          name: pairs_are_unique
          arguments: {combination_of_columns: [low, high]}
          config: {meta: {finds: 0}}
      - dbt_utils.unique_combination_of_columns:
          name: two_lows_are_repeated
          arguments: {combination_of_columns: [low]}
          config: {meta: {finds: 2}}
      - dbt_utils.unique_combination_of_columns:
          name: one_low_is_repeated_where_asked
          arguments: {combination_of_columns: [low]}
          config: {meta: {finds: 1}, where: low > 1}
      - dbt_utils.unique_combination_of_columns:
          name: a_quoted_column_has_two_repeated_values_one_of_them_null
          arguments: {combination_of_columns: [Order], quote_columns: true}
          config: {meta: {finds: 2}}
      - dbt_utils.expression_is_true:
          name: one_low_is_above_its_high
          arguments: {expression: low <= high}
          config: {meta: {finds: 1}}
      - dbt_utils.expression_is_true:
          name: no_low_is_above_its_high_where_asked
          arguments: {expression: low <= high}
          config: {meta: {finds: 0}, where: low <> 2}
      - dbt_utils.expression_is_true:
          name: null_is_not_false
          arguments: {expression: "\\"Order\\" <> 'c'"}
          config: {meta: {finds: 0}}
      - dbt_utils.expression_is_true:
          name: an_or_is_negated_in_parentheses
          arguments: {expression: low > 2 or low < 3}
          config: {meta: {finds: 0}}
      - dbt_utils.expression_is_true:
          name: stored_rows_have_all_columns
          arguments: {expression: low <= high}
          config: {meta: {finds: 1}, store_failures: true}
    columns:
      - name: low
        data_tests:
          - dbt_utils.expression_is_true:
              name: lows_are_positive
              arguments: {expression: "> 0"}
              config: {meta: {finds: 0}}
          - dbt_utils.expression_is_true:
              name: two_lows_are_not_above_one
              arguments: {expression: "> 1"}
              config: {meta: {finds: 2}}
"""


@pytest.mark.usefixtures("closed_hub")
def test_stand_in_behaves_like_dbt_utils_documentation(project: Path) -> None:
    """One `dbt build` runs all cases, because dbt's start takes longest."""
    assert install(project) == 0
    for path, text in {
        "models/keys.sql": KEYS,
        "models/pairs.sql": PAIRS,
        "models/pairs.yml": PAIRS_YML,
        "macros/override.sql": OVERRIDE,
    }.items():
        (project / path).parent.mkdir(exist_ok=True)
        (project / path).write_text(text)

    strictly = ["--warn-error-options", '{"error": ["Deprecations"]}']
    quietly = ["--log-level", "none", "--no-send-anonymous-usage-stats"]
    here = ["--project-dir", ".", "--profiles-dir", ".", "--target", "tiny"]
    result = dbtRunner().invoke([*strictly, *quietly, "build", *here])

    assert result.exception is None
    assert isinstance(result.result, RunExecutionResult)
    tests = [r for r in result.result.results if "finds" in r.node.config.meta]
    found = {r.node.name: r.failures for r in tests}
    assert found == {r.node.name: r.node.config.meta["finds"] for r in tests}
    assert len(tests) == PAIRS_YML.count("finds")

    with duckdb.connect("tiny.duckdb") as connection:
        keys = connection.sql("from keys order by row_number").fetchall()
        stored = "from main_dbt_test__audit.stored_rows_have_all_columns"
        assert connection.sql(stored).fetchall() == [(2, 1, None)]
    null = "_dbt_utils_surrogate_key_null_"
    assert keys == [
        (1, md5("7-Ada"), md5("7"), "by tiny"),
        (2, md5("7-"), md5("7"), "by tiny"),
        (3, md5(f"7-{null}"), md5("7"), "by tiny"),
        (4, md5(f"{null}-null"), md5(null), "by tiny"),
        (5, md5(f"{null}-{null}"), md5(null), "by tiny"),
    ]


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
