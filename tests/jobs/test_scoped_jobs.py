"""No job of one region reads or writes another's places: it is refused before it starts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml
from published_fixtures import publish, sound_row

import transcribe.__main__
from jobs import check, deliver, evaluate, maintain, remove, status, triage, tune
from transcribe import view
from transcribe.deliver import __main__ as one_delivery
from transcribe.evaluate import __main__ as evaluation

Main = Callable[[Sequence[str]], int]


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its folder: north and south, with a published recording each; the run is where north may be."""
    regions = {}
    for name in ("north", "south"):
        folder = tmp_path / name
        (folder / "in").mkdir(parents=True)
        recording = folder / "in" / "call.wav"
        recording.write_bytes(b"no sound")
        row = sound_row(recording) | {"region": name}
        publish(folder / "out", [row])
        publish(tmp_path / "free" / name, [row])  # in nobody's place
        line = {"uri": str(recording), "language": "en", "reference_text": "x", "region": name}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(line) + "\n")
        regions[name] = {"input": str(folder / "in"), "languages": ["en"]}
        regions[name] |= {"output": str(folder / "out"), "residency": "here"}
    (tmp_path / "regions.yaml").write_text(yaml.safe_dump({"regions": regions}))
    services = {"services": {"books": {"deliver": {"destination": "files/{region}/{date}", "srt": None}}}}
    (tmp_path / "services.yaml").write_text(yaml.safe_dump(services))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(region: str, **more: str) -> list[str]:
    given = {"regions": "regions.yaml", "services": "services.yaml", "job.region": region}
    given |= {"job.residency": "here", **{key.replace("__", "."): value for key, value in more.items()}}
    return [f"--set={key}={value}" for key, value in given.items()]


def transcribe_main(arguments: Sequence[str]) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["transcribe", *arguments])
        return transcribe.__main__.main()


ELSEWHERE = [
    pytest.param(main, line.split(), id=name)
    for name, main, line in [
        ("status", status.main, "--output south/out"),
        ("maintain", maintain.main, "--output south/out"),
        ("check", check.main, "--output south/out"),
        ("check-input", check.main, "--output north/out --input south/in"),
        ("remove", remove.main, "--output south/out --reason asked --ids call"),
        ("take-again", remove.main, "--output south/out --take-again --ids call"),
        ("deliver", deliver.main, "--output south/out"),
        ("triage", triage.main, "call --output south/out"),
        ("triage-page", triage.main, "call --output north/out --page south/in/page.html"),
        ("triage-add", triage.main, "call --output north/out --text x --add-to south/out"),
        ("triage-recording", triage.main, "call --output free/south"),
        ("evaluate", evaluate.main, "--references north.jsonl --output south/out"),
        ("evaluate-input", evaluate.main, "--references south.jsonl --output north/out/e"),
        ("evaluation", evaluation.main, "--references south.jsonl --output north/out/e"),
        ("tune", tune.main, "--references north.jsonl --output south/out"),
        ("view", view.main, "call --table south/out"),
        ("view-page", view.main, "call --table north/out --output south/in/page.html"),
        ("view-compare", view.main, "call --table north/out --compare south/out"),
        ("one-delivery", one_delivery.main, "call --table south/out"),
        ("one-delivery-file", one_delivery.main, "call --table north/out --output south/in/call.vtt"),
        ("transcribe", transcribe_main, "south/in/call.wav"),
        ("transcribe-output", transcribe_main, "north/in/call.wav --output south/out"),
    ]
]


@pytest.mark.parametrize(("main", "arguments"), ELSEWHERE)
def test_another_regions_places_are_refused(
    fleet: Path, main: Main, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(fleet.rglob("*"))
    assert main([*arguments, *settings("north")]) == 2
    told = capsys.readouterr().err
    assert "south" in told and ("belongs to region" in told or "lie in" in told), told
    assert sorted(fleet.rglob("*")) == before, "nothing was written"


@pytest.mark.parametrize("main", [status.main, maintain.main, check.main])
def test_its_own_are_open(fleet: Path, main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--output", "north/out", *settings("north")]) != 2
    assert main(["--output", "north/out", *settings("north", job__residency="there")]) == 2
    assert "north may be worked on in here only" in capsys.readouterr().err


def test_a_job_that_is_told_a_region_works_for_it(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--set=regions=regions.yaml", "--set=services=services.yaml", "--set=job.residency=here"]
    assert deliver.main(["--output", "north/out", "--region", "north", *settings]) == 0
    assert deliver.main(["--output", "north/out", "--region", "south", *settings]) == 2
    assert "belongs to region north" in capsys.readouterr().err


def test_whose_it_is_must_be_said(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main(["--output", "north/out", "--set=regions=regions.yaml"]) == 2
    assert "this is for none: say which by job.region" in capsys.readouterr().err
