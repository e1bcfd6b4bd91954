"""What somebody may ask for, and what is refused before Spark starts."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from pathlib import Path

import pytest
from tables_fixtures import LOCAL

from jobs import selection
from jobs.selection import Selection
from transcribe.errors import ConfigError


def parsed(*arguments: str) -> Selection:
    parser = argparse.ArgumentParser()
    selection.add_options(parser)
    return selection.of_options(parser.parse_args(arguments), LOCAL)


def test_the_command_line_says_what_a_notebook_says() -> None:
    found = parsed("--table=failures", "--where=attempts > 3", "--region=eu", "--since=2026-11-02T03:00")
    since = datetime(2026, 11, 2, 3, tzinfo=timezone.utc)
    assert found == Selection("failures", where="attempts > 3", region="eu", since=since)
    assert str(found) == "failures: where attempts > 3; region eu; since 2026-11-02 03:00:00+00:00"


def test_ids_come_from_the_command_line_and_from_files(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_text("b\n\nc d\né\n")
    found = parsed("--ids", "a", "--ids", f"@{path}")
    assert found.ids == ("a", "b", "c d", "é")
    assert str(found) == "transcripts: ids a, b, c d and 1 more"
    with pytest.raises(ConfigError, match=r"--ids = '@/nowhere': cannot be read"):
        parsed("--ids", "@/nowhere")


def test_files_of_ids_come_from_any_system_and_ids_keep_their_characters(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes("\ufeffa\r\n \tb \r\n\r\nc\u2028d\u200e\n".encode())
    assert parsed("--ids", f"@{path}").ids == ("a", "b", "c\u2028d\u200e")


def test_everything_is_selected_only_by_saying_so() -> None:
    with pytest.raises(ConfigError, match="--where true is all"):
        parsed()
    with pytest.raises(ConfigError, match="--where true is all"):
        Selection(where="", ids=())
    assert str(Selection(where="true")) == "transcripts: where true"
    with pytest.raises(ConfigError, match="is transcripts or failures"):
        Selection("runs", where="true")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-02", datetime(2026, 11, 2, tzinfo=timezone.utc)),
        ("2026-11-02T01:00Z", datetime(2026, 11, 2, 1, tzinfo=timezone.utc)),
        ("2026-11-02 03:00+02:00", datetime(2026, 11, 2, 1, tzinfo=timezone.utc)),
    ],
)
def test_a_moment_is_utc_unless_it_says_otherwise(text: str, moment: datetime) -> None:
    assert selection.moment(text) == moment


def test_what_is_no_moment_is_refused() -> None:
    with pytest.raises(ConfigError, match="--since = 'yesterday'"):
        selection.moment("yesterday")
