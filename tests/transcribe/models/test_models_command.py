"""``python -m transcribe.models``: list, show, fetch."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml

from transcribe.layers import CONF
from transcribe.models.__main__ import main

MEASURED = [{"date": "2026-11-01", "data": "calls", "wer": 0.04}]


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model in use with its weights in a folder, and a retired one whose weights are gone."""
    monkeypatch.setenv("TRANSCRIBE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "model.bin").write_bytes(b"weights")
    common = {
        **{"engine": "fake", "revision": "7", "licence": "MIT", "multilingual": True, "languages": None},
        "files": {"model.bin": hashlib.sha256(b"weights").hexdigest()},
    }
    here, gone = ({"sources": [{"folder": str(tmp_path / name)}]} for name in ("weights", "gone"))
    models = {
        "used": {**common, **here, "stage": "production", "metrics": MEASURED, "notes": "quick"},
        "old": {**common, **gone, "stage": "retired"},
    }
    routes = [{"region": "eu", "model": "used"}]
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"default": "used", "routes": routes, "models": models}))
    return path


def test_list_has_a_line_a_model(registry, capsys):
    assert main(["--models", str(registry), "list"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["old", "retired", "fake", "many", "-", "MIT", "-"] in lines and len(lines) == 3
    used = ["used", "production", "fake", "many", "-", "MIT", "WER", "4.00%", "(calls,", "2026-11-01)"]
    assert used in lines


def test_show_tells_all_that_is_known(registry, capsys):
    assert main(["--models", str(registry), "show", "used"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert (shown["licence"], shown["metrics"], shown["notes"]) == ("MIT", MEASURED, "quick")
    assert shown["routes"] == [f"region eu → model used ({registry}:30)", "all → model used (default)"]
    assert shown["fetched"] is False
    assert main(["--models", str(registry), "show", "old"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["routes"] == []


def test_fetch_prints_the_folder(registry, capsys):
    assert main(["--models", str(registry), "fetch", "used"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert (folder / "model.bin").read_bytes() == b"weights"
    main(["--models", str(registry), "list"])
    assert "fetched" in capsys.readouterr().out


def test_the_network_that_finds_speech_is_listed_with_its_licence(registry, capsys):
    assert main(["--models", str(registry), "list"]) == 0
    assert "silero-vad-v6" in capsys.readouterr().out
    assert main(["--models", str(registry), "fetch", "silero-vad-v6"]) == 0
    (file,) = Path(capsys.readouterr().out.strip()).glob("*.onnx")
    assert main(["--models", str(registry), "show", "silero-vad-v6"]) == 0
    assert hashlib.sha256(file.read_bytes()).hexdigest() in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "words"), [("fetch old", "retired"), ("show none", "use one of: old, used")]
)
def test_what_cannot_be_done_is_told(registry, capsys, command, words):
    assert main(["--models", str(registry), *command.split()]) == 2
    out, message = capsys.readouterr()
    assert not out and words in message


def test_the_shipped_registry_is_the_default(capsys):
    assert main(["show", "base"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["licence"] == "MIT"


def test_route_explains_the_choice_step_by_step(capsys):
    asked = ["--language", "da-DK", "--region", "eu-north", "--service", "captions"]
    assert main(["route", "--conf", str(CONF / "fleet.yaml"), *asked]) == 0
    out = capsys.readouterr().out
    assert "decided by language: language da → model asr-da (" in out and "conf/fleet/models.yaml:" in out
    assert "no route by   language + region + service, language + region" in out
    assert "passed over by no condition: all → model whisper-base" in out
    assert "decided by service: service captions → decode.beam_size 5, decode.full_context True" in out
    assert "prior: da 4, sv 4" in out and "residency: eu" in out and "srt, vtt" in out
    assert main(["route", "--language", "da"]) == 0
    assert "gets: base, production" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--region", "eu-nort"], "unknown region 'eu-nort'; did you mean eu-north?"),
        (["--service", "caption"], "did you mean captions?"),
        (["--language", "xx"], "none that Whisper has a code for"),
    ],
)
def test_route_knows_the_fleet(capsys, asked, words):
    assert main(["route", "--conf", str(CONF / "fleet.yaml"), *asked]) == 2
    assert words in capsys.readouterr().err
