"""scripts/compare.py and scripts/job_manifest.py on a small manifest, with peers that need no weights."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from types import SimpleNamespace

import compare
import job_manifest
import peers
import pytest
from peers import Answer
from published_fixtures import failure, publish, run_row, sound_row
from reference_fixtures import ROWS, write_references

from transcribe.evaluate.reference import Reference

PEER_ANSWERS = {
    "call.wav": Answer("hello there who was it bye now", ((0.4, 1.2, "hello"),), 10.0, 2.0),
    "book.mp3": Answer("lu par moi un livre fin", (), 4.0, 1.0),
    "broken.wav": Answer("ja", (), 1.0, 1.0),
    "music.ogg": Answer("you", (), 5.0, 0.5),
    "radio.ogg": Answer("houston", (), 5.0, 0.5),
    "nothing.wav": Answer(" . ", (), 1.0, 0.1),
}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write_references(tmp_path)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A finished job: call.wav by its uri, book.mp3 and the silent file by their ids, one failure."""
    call = sound_row(tmp_path / "call.wav", "id-1")
    book = {**sound_row(tmp_path / "x", "book.mp3"), "text": "un livre"}
    silent = {**sound_row(tmp_path / "x", "nothing.wav"), "text": "", "utterances": []}
    run = {**run_row(), "audio_s": 30.0, "wall_s": 6.0}
    stale = {**run_row(), "run_id": "another", "audio_s": 1000.0, "wall_s": 1.0}
    return publish(tmp_path / "out", [call, book, silent], [failure("broken.wav")], [run, stale])


@pytest.fixture
def cached_peer(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Peers that answer PEER_ANSWERS; the list holds the files they were asked to transcribe."""
    asked: list[Path] = []

    def run(self: peers.Pipeline, path: Path, language: str | None) -> Answer:
        asked.append(path)
        return PEER_ANSWERS[path.name]

    monkeypatch.setattr(peers.Pipeline, "_run", run)
    return asked


def test_side_by_side(
    manifest: Path, output: Path, tmp_path: Path, cached_peer: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    result, tables = tmp_path / "result.json", tmp_path / "tables.md"
    arguments = [str(manifest), "--output", str(output), "--peers", "batched", "--weights", str(tmp_path)]
    arguments += ["--spell-numbers", "--cache", str(tmp_path / "cache")]
    assert compare.main([*arguments, "--json", str(result), "--markdown", str(tables)]) == 0
    found = json.loads(result.read_text())

    ours, theirs = "this project", "faster-whisper batched"
    rates = found["error_rates"]["as written"]
    assert list(rates) == ["en", *compare.GROUPS]
    assert rates["en"][ours] == {
        "substitutions": 1,
        "deletions": 0,
        "insertions": 0,
        "n_reference": 6,
        "rate": 0.1667,
    }
    assert rates["en"][theirs]["rate"] == 0.5
    assert rates["over all"] == rates["exact references only"] == rates["en"]
    assert [rates[list(compare.GROUPS)[2]][name]["insertions"] for name in (ours, theirs)] == [0, 0]
    assert "numbers spelled out" in found["error_rates"]

    assert found["left_out"] == ["broken.wav"]
    assert "not_audio" in found["missing"][ours]["broken.wav"]
    assert set(found["missing"][ours]) == {"broken.wav", "music.ogg", "radio.ogg"}
    assert found["invented"] == {ours: {}, theirs: {"music.ogg": "you"}}
    times = found["word_times"]["manual"]
    assert times[ours]["start_n"] == 1
    assert times[ours]["start_median_ms"] == pytest.approx(0)
    assert times[theirs]["end_median_ms"] == pytest.approx(200)
    assert found["speed"][ours]["rtfx"] == 5.0
    assert found["speed"][theirs]["rtfx"] == round(26 / 5.1, 2)

    printed = capsys.readouterr().out
    assert printed == tables.read_text()
    assert "| en | 6 | 0.1667 (1+0+0) | 0.5000 (2+0+1) |" in printed
    assert "| manual | this project | start | 1 / 2 | 0 | 1.000 | 1.000 | 1.000 |" in printed


def test_peers_are_asked_once(manifest: Path, tmp_path: Path, cached_peer: list[Path]) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    arguments = [str(manifest), "--weights", str(tmp_path), "--cache", str(tmp_path / "cache")]
    compare.main(arguments)
    n_first = len(cached_peer)
    assert n_first == 2 * (len(ROWS) + 1)  # the recording with gold times once more, for its word times
    compare.main(arguments)
    assert len(cached_peer) == n_first
    # What can change an answer asks again: here the language told, then an option.
    compare.main([*arguments, "--language", "identify"])
    assert len(cached_peer) == n_first + 2 * (3 + 1)  # three files had a hint
    n_before = len(cached_peer)
    compare.main([*arguments, "--beam", "1", "--peers", "batched"])
    assert len(cached_peer) == n_before + len(ROWS) + 1


@pytest.mark.parametrize(("hint", "told"), [("fr", "fr"), ("yue", None), (None, None)])
def test_a_peer_gets_no_hint_that_its_weights_do_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hint: str | None, told: str | None
) -> None:
    """Whisper base has no token for yue; told so all the same, it writes "The The The …"."""
    languages: list[str | None] = []

    def transcribe(samples: object, *, language: str | None, **_: object) -> tuple[list, None]:
        languages.append(language)
        return [SimpleNamespace(text=" un ", words=None), SimpleNamespace(text=" deux", words=None)], None

    tokenizer = SimpleNamespace(token_to_id={"<|fr|>": 50265}.get)
    model = SimpleNamespace(hf_tokenizer=tokenizer, transcribe=transcribe)
    monkeypatch.setattr(peers, "_model", lambda weights, threads: model)
    (tmp_path / "model.bin").write_bytes(b"weights")
    recording, broken = tmp_path / "a.wav", tmp_path / "b.wav"
    with wave.open(str(recording), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 8_000))
    broken.write_bytes(b"")
    kind, language = ("read", hint) if hint else ("noise", "en")
    references = [Reference(path, language, kind) for path in (recording, broken)]
    pipeline = peers.Pipeline(False, tmp_path, beam_size=5, threads=1, hints=True)
    answers = pipeline.answer(references, None)
    assert languages == [told]
    assert answers["a.wav"].text == "un deux"
    assert answers["a.wav"].audio_s == 0.5
    assert answers["b.wav"].error.startswith("InvalidDataError")


def test_nothing_to_compare_is_said(manifest: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        compare.main([str(manifest), "--peers"])
    assert stopped.value.code == 2


def test_scored_by_quality() -> None:
    reference = Reference(Path("a"), "en", "read", text="a b", quality="exact")
    assert [holds(reference) for holds in compare.GROUPS.values()] == [True, True, False]


@pytest.mark.parametrize(
    ("hints", "languages"),
    [("yes", ["en", "fr", "de", None, None, None]), ("no", [None] * 6)],
)
def test_job_manifest_hints_only_where_the_language_is_known(
    manifest: Path, tmp_path: Path, hints: str, languages: list[str | None]
) -> None:
    job = tmp_path / "job.jsonl"
    arguments = [str(manifest), str(job), "--region", "eu", "--date", "2026-01-02", "--hints", hints]
    assert job_manifest.main(arguments) == 0
    rows = [json.loads(line) for line in job.read_text().splitlines()]
    assert [row["language"] for row in rows] == languages
    assert rows[0]["uri"] == str(tmp_path / "call.wav")
    assert {row["recording_id"] for row in rows} == {row["file"] for row in ROWS}
    assert {(row["region"], row["date"]) for row in rows} == {("eu", "2026-01-02")}
