"""Texts of side tables against the current ones, which are only read."""

from __future__ import annotations

from pathlib import Path

import pytest
from tables_fixtures import LOCAL, publish, transcript

from transcribe.errors import ConfigError
from transcribe.tables import comparison
from transcribe.tables.comparison import Comparison
from transcribe.tables.schemas import DIFFERENCES
from transcribe.tables.tables import Tables


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(str(tmp_path / "out"), LOCAL)


def test_each_recording_with_two_texts_gets_a_row(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "AT_A_TIME", 2)
    publish(tables, 0, [transcript(id_, text="good day") for id_ in "abcd"])
    published = sorted(Path(tables.root).rglob("*"))
    found = Comparison(tables, "other")
    publish(
        found.tables, 0, [transcript("a", text="good night", model="other"), transcript("b", text="Good day")]
    )
    publish(found.tables, 1, [transcript("c", text="bad night and more")], run_id="r2")
    summary = found.write_differences(["a", "b", "c", "d", "nowhere"])
    assert (summary.n_compared, summary.n_missing, summary.n_different) == (3, 2, 2)
    assert (summary.n_words, summary.n_words_different) == (6, 5)
    assert summary.largest == [(1.0, "c"), (0.5, "a")]
    rows = {row["recording_id"]: row for row in found.differences.rows(DIFFERENCES.names).to_pylist()}
    assert sorted(rows) == ["a", "b", "c"]
    assert rows["a"]["words"] == "good [-day-]{+night+}" and rows["b"]["words"] == ""
    assert (rows["a"]["model_current"], rows["a"]["model"], rows["a"]["share"]) == ("fake", "other", 0.5)
    found.write_differences(["a"])
    assert found.differences.n_rows() == 3
    inside = Path(tables.root) / "compare"
    assert [
        path for path in sorted(Path(tables.root).rglob("*")) if not path.is_relative_to(inside)
    ] == published


@pytest.mark.parametrize("name", ["", "../transcripts", ".x", "a/b", "a b"])
def test_a_name_that_is_no_folder_of_its_own_is_refused(name: str, tables: Tables) -> None:
    with pytest.raises(ConfigError, match="--compare"):
        Comparison(tables, name)
