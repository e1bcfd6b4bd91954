"""The page of a transcript: everything is on it, escaped; a browser plays the word that is clicked."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from browser_fixtures import findings
from published_fixtures import publish, sound_row
from tables_fixtures import LOCAL, transcript
from tables_fixtures import publish as publish_wave

from transcribe import view
from transcribe.errors import ConfigError
from transcribe.tables.tables import Tables

EVIL = "</script><script>document.title='taken'</script>"


@pytest.fixture
def call(tmp_path: Path) -> Path:
    """10 s on two channels, only the second with sound, in its second half."""
    samples = np.zeros((80_000, 2), np.float32)
    samples[40_000:, 1] = 0.5 * np.sin(np.arange(40_000) / 5)
    soundfile.write(tmp_path / "call.wav", samples, 8000)
    return tmp_path / "call.wav"


@pytest.fixture
def output(tmp_path: Path, call: Path) -> Path:
    row = sound_row(call)
    row["utterances"][1]["words"][0]["text"] = f"who{EVIL}"
    row["utterances"][1]["text"] = f"who{EVIL} is it"
    row["utterances"][0]["words"][1]["probability"] = 0.3
    return publish(tmp_path / "out", [row])


def page(output: Path, file: Path, *more: str) -> str:
    assert view.main(["call", "--table", str(output), "--output", str(file), *more]) == 0
    return file.read_text()


def test_words_verdicts_lanes_and_sound_are_on_the_page(tmp_path: Path, output: Path) -> None:
    html = page(output, tmp_path / "call.html")
    assert html.count('class="w"') == 7 and EVIL not in html
    assert "rejected:too_many_characters" in html and "<b>channel 1: 1</b>" in html
    assert '--d:100" data-s="1.0"' in html and '--d:14" data-s="0.5"' in html, "shade by probability"
    encoded = re.search(r"data:audio/flac;base64,([^\"]+)", html)
    assert encoded is not None
    sound, rate = soundfile.read(io.BytesIO(base64.b64decode(encoded[1])))
    assert (sound.shape, rate) == ((160_000, 2), 16_000)
    quiet, loud = re.findall(r'<polygon class="outline" points="([^"]+)"', html)
    assert set(re.findall(r",(\S+)", quiet)) == {"20.0"} and ",1.0 " in loud


def test_two_versions_show_the_words_that_differ(tmp_path: Path, output: Path, call: Path) -> None:
    other = sound_row(call)
    other["utterances"][0]["words"][0]["text"] = "Hello,"
    other["utterances"][3]["words"][0]["text"] = "buy"
    other["utterances"][1]["words"] = other["utterances"][1]["words"][:2]
    publish(tmp_path / "other", [other])
    html = page(tmp_path / "other", tmp_path / "two.html", "--compare", str(output))
    assert re.findall(r'w diff"[^>]*>([^<]*)<', html) == [
        "who",
        "buy",
        "who&lt;/script&gt;&lt;script&gt;document.title=&#39;taken&#39;&lt;/script&gt;",
        "it",
        "bye",
    ]
    same = page(output, tmp_path / "same.html", "--compare", "0")
    assert "Wavy: 0 words differ" in same and same.count("<section data-version>") == 2


def test_a_row_is_held_against_what_it_was_before_its_last_run(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path / "out"), LOCAL)
    said = transcript("a")["utterances"][0]
    other = {**said, "words": [{**said["words"][0], "text": "bye"}]}
    for wave, rows in enumerate([{"a": said}, {"a": other}, {"b": said}]):
        publish_wave(tables, wave, [transcript(id_, utterances=[one]) for id_, one in rows.items()])
    html = view.show("a", tables.root, "before").html
    assert "Wavy: 2 words differ" in html and html.index("bye") < html.index(" hello</span>")
    with pytest.raises(ConfigError, match="version"):
        view.show("b", tables.root, "before")


def test_what_is_missing_is_said(
    tmp_path: Path, output: Path, call: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert view.main(["nobody", "--table", str(output)]) == 2
    assert "has no transcript in" in capsys.readouterr().err
    assert view.main(["call", "--table", str(output), "--output", "/proc/call.html"]) == 2
    assert "/proc/call.html" in capsys.readouterr().err
    call.unlink()
    html = page(output, tmp_path / "gone.html")
    assert "No sound: not_found" in html and "<audio" not in html and html.count('class="w"') == 7
    assert view.show("call", str(output))._repr_html_().startswith("<iframe srcdoc=")


@pytest.mark.parametrize("compare", ["²", "9" * 30, "before", "1"])
def test_a_version_that_is_not_there_is_said_in_a_line(tmp_path, output, capsys, compare) -> None:
    assert (
        view.main(["call", "--table", str(output), "--compare", compare, "--output", str(tmp_path / "x")])
        == 2
    )
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "Traceback" not in said


@pytest.mark.parametrize(("id_", "folder"), [("caf\udce9", "out"), ("call", "caf\udce9")])
def test_names_that_no_table_holds_are_refused(tmp_path, capsys, id_, folder) -> None:
    assert view.main([id_, "--table", str(tmp_path / folder)]) == 2
    assert "is not UTF-8" in capsys.readouterr().err


def test_looking_at_a_transcript_writes_nothing(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path / "out"), LOCAL)
    publish_wave(tables, 0, [transcript("a")])
    before = tables.transcripts.find().version()
    with pytest.raises(ConfigError):
        view.show("a", tables.root, "before")
    assert tables.transcripts.find().version() == before


def test_text_without_words_is_not_counted_as_equal(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path / "out"), LOCAL)
    said = transcript("a")["utterances"][0]
    for wave, text in enumerate(("one two", "three four")):
        publish_wave(tables, wave, [transcript("a", utterances=[{**said, "text": text, "words": []}])])
    html = view.show("a", tables.root, "before").html
    assert "three four" in html and "words differ" not in html


@pytest.mark.browser
def test_a_click_on_a_word_plays_it(tmp_path: Path, output: Path, browser) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "call.html"
    page(output, file)
    tab = browser.new_page(viewport={"width": 390, "height": 800})
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(file.as_uri())
    assert tab.title() == "call" and tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.wait_for_function("player.readyState >= 3")
    tab.locator(".w", has_text="bye").click()
    tab.wait_for_function("player.currentTime >= 9 && !player.paused")
    assert tab.locator(".w.now").inner_text() == "bye"
    tab.evaluate("player.pause()")
    tab.locator("[data-lane]").first.click()  # its middle
    tab.wait_for_function("Math.abs(player.currentTime - 5) < 0.6")
    tab.evaluate("player.pause()")
    assert errors == [] and findings(tab) == []
    tab.close()
