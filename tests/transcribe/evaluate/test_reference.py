"""What manifests of references say: languages as tags, empty and missing texts, NeMo's names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from transcribe.errors import ManifestError
from transcribe.evaluate.reference import Reference, as_row, load


def read(folder: Path, *rows: dict[str, Any]) -> list[Reference]:
    path = folder / "references.jsonl"
    path.write_text("\n".join(json.dumps({"uri": f"{n}.wav", **row}) for n, row in enumerate(rows)))
    return load(path)


@pytest.mark.parametrize(
    ("written", "code", "hint"),
    [
        ("zh-CN", "zh", "zh-Hans"),
        ("zh-TW", "zh", "zh-Hant"),
        ("cmn", "zh", "zh"),
        ("en-US", "en", "en"),
        ("nb", "no", "no"),
        ("iw", "he", "he"),
        ("und", "und", "und"),
    ],
)
def test_languages_are_normalised_like_hints(tmp_path: Path, written: str, code: str, hint: str) -> None:
    (one,) = read(tmp_path, {"language": written, "text": "x"})
    assert (one.language, one.hint) == (code, hint)
    assert read(tmp_path, {**as_row(one), "uri": "0.wav", "recording_id": ""})[0] == one


def test_an_empty_text_says_that_nobody_speaks_and_a_missing_one_nothing(tmp_path: Path) -> None:
    rows = [{"reference_text": ""}, {"reference_text": None}, {"kind": "read"}, {"reference_text": " a "}]
    found = read(tmp_path, *({"language": "en", **row} for row in rows))
    assert [one.text for one in found] == ["", None, None, "a"]
    assert as_row(found[0])["reference_text"] == "" and "reference_text" not in as_row(found[1])


def test_nemo_manifests_are_read(tmp_path: Path) -> None:
    path = tmp_path / "nemo.jsonl"
    path.write_text(
        json.dumps({"audio_filepath": "a.wav", "duration": 2.0, "text": "hello", "language": "en"})
    )
    (one,) = load(path)
    assert (one.file, one.text) == ("a.wav", "hello")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"language": "en", "transcription": "x"}, "no row tells what is said"),
        ({"text": "x"}, "it has no language"),
        ({"language": "klingon", "text": "x"}, "none that Whisper has a code for"),
    ],
)
def test_what_is_no_reference_is_said(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        read(tmp_path, row)
