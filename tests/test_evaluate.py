"""Error counts, word times, references, and the comparison that is built on them."""

from __future__ import annotations

import json
import math
import sys
import wave
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published_fixtures import failure, publish, run_row, sound_row

from transcribe.errors import ManifestError
from transcribe.evaluate.reference import Reference, load
from transcribe.evaluate.timing import TimeErrors, compare_word_times
from transcribe.evaluate.word_error import ErrorCount, best_span, count_errors, tokens

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

import compare
import job_manifest
import peers
from peers import Answer

# Word errors


@pytest.mark.parametrize(
    ("language", "reference", "hypothesis", "expected"),
    [
        ("en", "the cat sat", "the cat sat", ErrorCount(0, 0, 0, 3)),
        ("en", "the cat sat", "a cat sat down", ErrorCount(1, 0, 1, 3)),
        ("en", "the cat sat", "", ErrorCount(0, 3, 0, 3)),
        ("en", "", "the cat", ErrorCount(0, 0, 2, 0)),
        ("en", "", "", ErrorCount()),
        ("en", "I don't know, twenty five!", "i do not know 25", ErrorCount(0, 0, 0, 5)),
        ("fr", "C'était l'été.", "c était l’été", ErrorCount(0, 0, 0, 4)),
        ("de", "Die Straße", "die strasse", ErrorCount(1, 0, 0, 2)),
        ("zh", "今天天气。", "今天天很", ErrorCount(1, 0, 0, 4)),
        ("ja", "音楽 を聴く", "音楽を聴く", ErrorCount(0, 0, 0, 5)),
    ],
)
def test_count_errors(language: str, reference: str, hypothesis: str, expected: ErrorCount) -> None:
    assert count_errors(reference, hypothesis, language) == expected


def test_counts_add_up_and_give_rates() -> None:
    total = sum([ErrorCount(1, 2, 3, 10), ErrorCount(0, 0, 1, 4)], ErrorCount())
    assert total == ErrorCount(1, 2, 4, 14)
    assert total.rate == 7 / 14
    assert ErrorCount().rate == 0.0
    assert ErrorCount(insertions=1).rate == math.inf


def test_free_ends_forgive_what_surrounds_the_text_only() -> None:
    reference = "the cat sat on the mat"
    spoken = f"this is the first book of cats {reference} end of the book"
    assert count_errors(reference, spoken, "en").insertions == 11
    assert count_errors(reference, spoken, "en", free_ends=True) == ErrorCount(0, 0, 0, 6)
    within = "intro the cat sat really still on a mat outro"
    assert count_errors(reference, within, "en", free_ends=True) == ErrorCount(1, 0, 2, 6)
    assert count_errors(reference, "", "en", free_ends=True) == ErrorCount(0, 6, 0, 6)


@settings(deadline=None)  # the first example pays for imports
@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_best_span_is_as_good_as_any(reference: list[str], hypothesis: list[str]) -> None:
    def edits(span: list[str]) -> int:
        count = count_errors(" ".join(reference), " ".join(span), "xx")
        return count.errors

    start, end = best_span(reference, hypothesis)
    n = len(hypothesis)
    every = [edits(hypothesis[i:j]) for i in range(n + 1) for j in range(i, n + 1)] if n <= 5 else [n + 99]
    assert 0 <= start <= end <= n
    assert edits(hypothesis[start:end]) <= min([*every, edits(hypothesis), len(reference)])


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("fr", "appuyez sur le 7", "appuyez sur le sept"),
        ("de", "im Jahr 21", "im Jahr einundzwanzig"),
        ("es", "marque 042", "marque cero cuatro dos"),
        ("it", "il 1, il 2", "il uno, il due"),
    ],
)
def test_numbers_spelled_out_only_when_asked(language: str, written: str, spoken: str) -> None:
    assert tokens(written, language) != tokens(spoken, language)
    assert tokens(written, language, spell_numbers=True) == tokens(spoken, language)


def test_numbers_of_a_language_without_speller_stay() -> None:
    assert tokens("第42", "zh", spell_numbers=True) == ["第", "4", "2"]


# Word times


def test_word_times_compare_matched_words_only() -> None:
    gold = [(0.0, 0.5, "Hello"), (0.5, 1.0, "big"), (1.0, 1.5, "world")]
    heard = [(0.1, 0.5, " hello"), (0.55, 0.9, " pig"), (1.0, 1.75, " world!")]
    errors = compare_word_times(gold, heard, "en")
    assert errors.n_gold == 3
    assert errors.starts_s == pytest.approx((0.1, 0.0))
    assert errors.ends_s == pytest.approx((0.0, 0.25))
    summary = errors.summary()
    assert (summary["start_n"], summary["end_n"]) == (2, 2)
    assert summary["start_median_ms"] == pytest.approx(50)
    assert summary["end_within_200_ms"] == 0.5
    assert summary["start_within_100_ms"] == 1.0


def test_a_word_split_differently_compares_its_outer_times() -> None:
    gold = [(0.0, 0.1, "l'"), (0.1, 0.6, "homme")]
    assert compare_word_times(gold, [(0.02, 0.63, " l'homme")], "fr") == TimeErrors(
        (pytest.approx(0.02),), (pytest.approx(0.03),), 2
    )


def test_word_times_of_chinese_words_of_several_characters() -> None:
    gold = [(0.0, 0.4, "今天"), (0.4, 0.8, "天气")]
    heard = [(0.0, 0.2, "今"), (0.2, 0.5, "天"), (0.5, 0.8, "天气")]
    errors = compare_word_times(gold, heard, "zh")
    assert errors.starts_s == pytest.approx((0.0, 0.1))
    assert errors.ends_s == pytest.approx((0.1, 0.0))


@pytest.mark.parametrize(("gold", "heard"), [([], [(0.0, 1.0, "a")]), ([(0.0, 1.0, "a")], []), ([], [])])
def test_nothing_to_compare(gold: list, heard: list) -> None:
    errors = compare_word_times(gold, heard, "en")
    assert (errors.starts_s, errors.ends_s, errors.n_gold) == ((), (), len(gold))
    assert errors.summary()["start_median_ms"] is None


def test_time_errors_add_up() -> None:
    assert TimeErrors((0.1,), (), 2) + TimeErrors((0.2,), (0.3,), 1) == TimeErrors((0.1, 0.2), (0.3,), 3)


# References


ROWS = [
    {
        "file": "call.wav",
        "language": "en",
        "kind": "telephone",
        "reference_text": "hello there who is it goodbye",
        "reference_quality": "exact",
        "word_times": [[0.5, 1.0, "hello"], [9.1, 10.0, "goodbye"]],
        "word_times_source": "manual/corrected (by hand)",
        "duration_s": 10.0,
    },
    {
        "file": "book.mp3",
        "language": "fr",
        "kind": "read",
        "reference_text": "un livre",
        "reference_quality": "loose",
    },
    {
        "file": "broken.wav",
        "language": "de",
        "kind": "read",
        "reference_text": "ja",
        "reference_quality": "near",
    },
    {"file": "music.ogg", "language": "en", "kind": "noise", "reference_text": None, "notes": "No speech"},
    {"file": "radio.ogg", "language": "en", "kind": "noise", "notes": "speech under noise"},
    {"file": "nothing.wav", "language": "fr", "kind": "silence"},
]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    for row in ROWS:
        (tmp_path / str(row["file"])).write_text(str(row["file"]))
    return path


def test_load(manifest: Path) -> None:
    call, book, _, music, radio, nothing = load(manifest)
    assert call.path == manifest.parent / "call.wav"
    assert (call.file, call.hint, call.loose, call.quality) == ("call.wav", "en", False, "exact")
    assert call.word_times == ((0.5, 1.0, "hello"), (9.1, 10.0, "goodbye"))
    assert call.word_times_source == "manual"
    assert book.loose
    assert (music.hint, music.text) == (None, None)
    assert [music.speechless, radio.speechless, nothing.speechless, call.speechless] == [
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("line", ["{", "[]", '{"file": "a.wav", "kind": "read"}'])
def test_a_line_that_is_no_reference_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n\n" + line + "\n")
    with pytest.raises(ManifestError, match=r"manifest\.jsonl:3"):
        load(path)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"none\.jsonl"):
        load(tmp_path / "none.jsonl")


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


# The comparison


PEER_ANSWERS = {
    "call.wav": Answer("hello there who was it bye now", ((0.4, 1.2, "hello"),), 10.0, 2.0),
    "book.mp3": Answer("lu par moi un livre fin", (), 4.0, 1.0),
    "broken.wav": Answer("ja", (), 1.0, 1.0),
    "music.ogg": Answer("you", (), 5.0, 0.5),
    "radio.ogg": Answer("houston", (), 5.0, 0.5),
    "nothing.wav": Answer(" . ", (), 1.0, 0.1),
}


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
