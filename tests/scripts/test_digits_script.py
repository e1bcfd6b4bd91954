"""The set of spoken numbers: same seed, same set; every text says its number, and it is spoken."""

from __future__ import annotations

import json
import random
import re
import shutil
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import digit_writer
import digits as script
import pytest
import soundfile
from digit_set import DOUBLE, SENTENCES, Number, numbers, readings, sentences
from digit_writer import endpoint

from transcribe.errors import ConfigError
from transcribe.evaluate.digits import digits
from transcribe.evaluate.reference import load


def test_a_number_is_read_in_every_way() -> None:
    assert readings("2055", "en", as_whole=True) == {
        "digits": "two zero five five",
        "pairs": "twenty fifty-five",
        "hundreds": "two hundred and five five",
        "oh": "two oh five five",
        "double": "two zero double five",
        "whole": "two thousand and fifty-five",
    }
    assert "whole" not in readings("0123", "de", as_whole=True) and "double" not in readings(
        "11", "de", False
    )


def test_same_seed_same_set_and_every_text_says_its_number() -> None:
    first = list(sentences(7, 2))
    assert first == list(sentences(7, 2)) and first != list(sentences(8, 2))
    assert {one.language for one in first} == set(SENTENCES) and len(SENTENCES) >= 6
    said = ["".join(digits(one.text, one.language)) for one in first]
    assert said == [one.number for one in first]
    for language in SENTENCES:
        kinds = {one.reading for one in first if one.language == language}
        assert kinds >= {"digits", "pairs", "hundreds", "whole"} | (
            {"double"} if language in DOUBLE else set()
        )


GOOD = "Well, let me see, {said}, that is what it says."


class Model(BaseHTTPRequestHandler):
    """A language model that knows two situations, and writes some sentences wrong."""

    prompts: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        (prompt,) = (message["content"] for message in asked["messages"])
        assert self.path == "/v1/chat/completions" and asked["model"] == "tiny"
        self.prompts.append(prompt)
        answer = {"choices": [{"message": {"content": self.answer(prompt)}}]}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer if "years" not in prompt else {}).encode())

    def answer(self, prompt: str) -> str:
        said = re.search('the words "(.*)" exactly', prompt)
        if said is None:
            return "1. a guest calls a hotel\n\n2) **a driver calls a workshop**\n- Why?"
        wrong = [f"{said[1]}, {said[1]}", "It is 12345.", "I cannot say that.", f"It is {said[1][:-3]}."]
        good = f'\n"{GOOD.format(said=said[1])}"\nIs that what you want?'
        return [*wrong, good, good, good, good][len(self.prompts) % 8]

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def model() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_of_what_a_language_model_writes_only_the_right_numbers_stay(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Model.prompts.clear()
    monkeypatch.setattr(script, "speaker", lambda _: lambda text, rng, file: file.write_bytes(text.encode()))
    options = [str(tmp_path), "--numbers=1", "--languages", "en", "de", f"--llm={model}", "--llm-model=tiny"]
    monkeypatch.setattr(sys, "argv", ["digits.py", *options])
    assert script.main() == 0
    asked = [prompt for prompt in Model.prompts if "exactly as they stand" in prompt]
    wanted = list(numbers(1, 1, ["en", "de"]))
    assert len(asked) == len(wanted) and len(Model.prompts) == len(asked) + 5, "situations once a scenario"
    assert "a guest calls a hotel" in asked[0] and "Situation: a driver calls a workshop\n" in asked[1]
    written = [one for one in load(tmp_path / "manifest.jsonl") if one.notes.endswith("tiny")]
    n_out = len(wanted) - len(written)
    assert f"tiny: {n_out} of {len(wanted)} sentences thrown out" in capsys.readouterr().out
    assert n_out >= len(Model.prompts) * 3 // 8 and len(written) >= 10
    texts = {GOOD.format(said=one.said): one for one in wanted}
    for one in written:
        assert one.text in texts and one.path.read_text() == one.text
        assert "".join(digits(one.text, one.language)) == texts[one.text].digits


@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        ("My number is two five oh nine.", True),
        ("My number is two five oh nine, in room three.", False),
        ("My number is two five zero nine.", False),
        ("My number is two five oh nine, 2509.", False),
        ("two five oh nine", False),
        ("", False),
        (f"two five oh nine {'and so on ' * 20}", False),
    ],
)
def test_a_sentence_says_the_number_as_asked_and_no_other(text: str, is_good: bool) -> None:
    number = Number("en", "order", "oh", "2509", "two five oh nine")
    assert digit_writer.is_good(text, number) is is_good


def test_a_model_that_does_not_answer_is_named(model: str) -> None:
    with pytest.raises(ConfigError, match=r"--llm.*ends in /v1"):
        endpoint(model, "tiny")("tell me of years")
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:9"):
        endpoint("http://127.0.0.1:9/v1", "tiny")("hello")


def test_english_is_spoken_by_a_voice_like_a_persons_the_same_twice(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        script.speaker("en")("Two five oh nine.", random.Random(1), tmp_path / name)
    samples, rate = soundfile.read(tmp_path / "a.wav")
    assert rate == 24_000 and 0.5 < len(samples) / rate < 5 and abs(samples).max() > 0.1
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs Debian's package espeak-ng")
def test_the_set_is_spoken_the_same_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        options = [str(tmp_path / name), "--numbers", "1", "--languages", "de"]
        monkeypatch.setattr(sys, "argv", ["digits.py", *options])
        assert script.main() == 0
    references = load(tmp_path / "a" / "manifest.jsonl")
    assert len(references) > 10 and all(one.language == "de" and one.text for one in references)
    assert all(one.path.read_bytes() == (tmp_path / "b" / one.file).read_bytes() for one in references)
