"""One recording from file to transcript, and ``python -m transcribe``, on an engine without weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from core_fixtures import clip, recording, silence, write_wav

from transcribe import __main__ as command
from transcribe.config import Config, load
from transcribe.engines.fake import FakeEngine
from transcribe.errors import DecodeError, RecordingError
from transcribe.models.registry import ModelEntry, Registry
from transcribe.pipeline import transcribe_recording
from transcribe.types import LanguageScores, Transcript

ROOT = Path(__file__).parents[2]
MODEL = {
    "engine": "fake",
    "revision": "1",
    "multilingual": True,
    "languages": None,
    "licence": "none",
    "stage": "production",
    "files": {},
    "sources": [],
}
MODELS = {
    "default": "many",
    "routes": [{"language": "fr", "model": "french"}],
    "models": {"many": MODEL, "french": {**MODEL, "languages": ["fr"], "multilingual": False}},
}


@pytest.fixture
def models(tmp_path) -> Path:
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump(MODELS))
    return path


@pytest.fixture
def call(tmp_path) -> Path:
    """Two sides that take turns."""
    agent = [silence(0.5), clip("call_agent_1"), silence(6.5), clip("call_agent_2"), silence(3.5)]
    caller = [silence(4.2), clip("call_caller_1"), silence(5.5), clip("call_caller_2")]
    return write_wav(tmp_path / "call.wav", np.concatenate(agent), np.concatenate(caller))


class Listener(FakeEngine):
    """Gives the language probabilities it is told, for channel 1 others; remembers what it was asked."""

    def __init__(self, name: str, asked: list, probs: dict, of_channel_1: dict | None) -> None:
        super().__init__("cpu:0")
        self._name, self.asked, self._probs, self._of_channel_1 = name, asked, probs, of_channel_1

    def transcribe(self, chunks, options):
        self.asked += [(self._name, chunk.language) for chunk in chunks]
        return super().transcribe(chunks, options)

    def identify_language(self, chunks):
        self.asked += [(self._name, "?") for _ in chunks]
        probs = [(self._of_channel_1 if "/1/" in chunk.chunk_id else None) or self._probs for chunk in chunks]
        return [LanguageScores(tuple(of_chunk.items())) for of_chunk in probs]


def run(path: Path, models: Path, config: Config | None = None, hint=None, of_channel_1=None, **probs: float):
    """(transcript, what each model was asked)"""
    asked: list[tuple[str, str | None]] = []

    def load_engine(entry: ModelEntry) -> Listener:
        return Listener(entry.name, asked, probs or {"en": 1.0}, of_channel_1)

    config = config or load([], ["language.model=many"])
    transcript = transcribe_recording(recording(hint), path, config, Registry.load(models), load_engine)
    return transcript, asked


def assert_sound(transcript: Transcript) -> None:
    """The promises that every transcript keeps."""
    words = [w for u in transcript.utterances for w in u.words]
    assert all(0 <= w.start_s <= w.end_s <= transcript.duration_s for w in words)
    assert transcript.text == " ".join(u.text for u in transcript.utterances)
    starts = [u.start_s for u in transcript.utterances]
    assert starts == sorted(starts)
    coverage = transcript.coverage
    dropped_s = sum(d.end_s - d.start_s for d in coverage.dropped)
    assert coverage.speech_s == coverage.sent_s == pytest.approx(coverage.covered_s + dropped_s, abs=0.01)


def test_a_call_becomes_turns_of_two_speakers(call, models):
    transcript, asked = run(call, models, en=0.8, de=0.2)
    assert_sound(transcript)
    assert (transcript.language, transcript.n_channels) == ("en", 2)
    assert transcript.language_prob == pytest.approx(0.8)
    speakers = [u.speaker for u in transcript.utterances]
    assert set(speakers) == {"channel_0", "channel_1"} and speakers[0] == "channel_0"
    assert {language for _, language in asked} == {"?", "en"}
    assert transcript.coverage.speech_s > 10


def test_two_sides_may_speak_two_languages(call, models):
    transcript, asked = run(call, models, en=1.0, of_channel_1={"es": 0.9, "en": 0.1})
    assert {(u.channel, u.language) for u in transcript.utterances} == {(0, "en"), (1, "es")}
    assert {language for _, language in asked} == {"?", "en", "es"}
    assert run(call, models, en=1.0, of_channel_1={"es": 0.4, "pt": 0.35, "de": 0.25})[1][-1][1] == "en"


def test_the_language_routes_to_a_model_and_a_hint_asks_nobody(call, models):
    transcript, asked = run(call, models, fr=0.9, en=0.1)
    assert transcript.language == "fr" and set(asked) == {("many", "?"), ("french", "fr")}
    hinted, asked = run(call, models, hint="fr", en=1.0)
    assert hinted.language_prob == 1.0 and set(asked) == {("french", "fr")}
    assert hinted.utterances == transcript.utterances


def test_a_model_that_does_not_speak_the_language_is_an_error_of_the_recording(call, models):
    with pytest.raises(RecordingError, match="unsupported_language"):
        run(call, models, load([], ["language.model=many", "model=french"]), en=1.0)


@pytest.mark.parametrize("duration_s", [0.0, 2.0])
def test_silence_is_a_transcript_without_text(tmp_path, models, duration_s):
    transcript, asked = run(write_wav(tmp_path / "a.wav", silence(duration_s)), models)
    assert (transcript.text, transcript.utterances, transcript.language) == ("", (), "und")
    assert transcript.duration_s == duration_s and asked == []


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "empty_file"),
        (b"this is a letter\n" * 50, "not_audio"),
        (b"RIFF\0\0\0\0WAVE", "not_audio|truncated"),
    ],
)
def test_what_is_no_recording_says_so(tmp_path, models, content, error):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(DecodeError, match=error):
        run(path, models)


# --- python -m transcribe


@pytest.fixture
def transcribe(models, monkeypatch, capsys):
    """The command with the fake engine: (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        settings = ["--set", f"models={models}", "--set", "language.model=many"]
        monkeypatch.setattr(sys, "argv", ["transcribe", *map(str, arguments), *settings])
        code = command.main()
        return code, *capsys.readouterr()

    return run


def test_formats(transcribe, call):
    code, out, _ = transcribe(call, "--format", "json")
    row = json.loads(out)
    assert code == 0 and row["recording"]["uri"] == str(call) and row["language"] == "en"
    lines = [f"{u['speaker']}: {u['text']}" for u in row["utterances"]]
    assert transcribe(call)[1].splitlines() == lines
    code, srt, _ = transcribe(call, "--format", "srt")
    assert code == 0 and srt.startswith("1\n00:00:0") and srt.count(" --> ") == len(lines)
    assert transcribe(call, "--format", "vtt")[1].startswith("WEBVTT\n\n1\n")
    one_side = json.loads(transcribe(call, "--format", "json", "--channels", "1")[1])
    assert {u["channel"] for u in one_side["utterances"]} == {1}
    assert json.loads(transcribe(call, "--format", "json", "--language", "fr-CA")[1])["language"] == "fr"


def test_a_bad_file_does_not_stop_the_others(transcribe, tmp_path, call):
    (tmp_path / "bad.wav").write_bytes(b"")
    missing = tmp_path / "missing.wav"
    code, out, err = transcribe(tmp_path / "bad.wav", missing, call)
    assert code == 1 and f"# {call}" in out and "channel_1: " in out
    assert "empty_file" in err and f"{missing}: not_found" in err and err.count("→") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "decode.bem_size=1"], "did you mean beam_size?"),
        (["--set", "model=nope"], "not in the registry"),
        (["--conf", "missing.yaml"], "missing.yaml"),
        (["--set", "decode.beam_size"], "key=value"),
        (["--language", "klingon"], "klingon"),
    ],
)
def test_wrong_settings_end_with_code_2(transcribe, call, arguments, words):
    code, out, err = transcribe(call, *arguments)
    assert (code, out) == (2, "") and words in err


def test_wrong_usage_ends_with_code_2(transcribe, call):
    for arguments in (["--format", "docx", call], [], [call, call, "--format", "srt"]):
        with pytest.raises(SystemExit) as caught:
            transcribe(*arguments)
        assert caught.value.code == 2


def test_the_module_is_a_command(call, models):
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "transcribe",
            call,
            "--language",
            "en",
            "--set",
            f"models={models}",
            "--set",
            "language.model=many",
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("channel_0: 0 ")
