"""The benchmark: what is measured, in which order, taken up where it stopped, its tables; once for real."""

from __future__ import annotations

import json
import shlex
import stat
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import environments
import pytest
import run as bench
import systems as peers
import watch
import worker
import workloads
from report import Run, render
from workloads import Sizes, Unavailable, Workload

from transcribe.evaluate.reference import Reference

WORKLOAD = Workload(
    "short",
    [
        Reference(Path("a.wav"), "en", "read", "red green blue gold", "exact", duration_s=10.0),
        Reference(Path("b.wav"), "fr", "read", "un deux", "exact", duration_s=20.0),
        Reference(Path("hum.wav"), "en", "silence", duration_s=30.0),
        Reference(Path("broken.wav"), "en", "corrupt"),
    ],
)
OURS: Run = {
    **{"system": "library", "workload": "short", "repeat": 0, "code": "abc", "wall_s": 10.0},
    **{"peak_rss_mb": 500.0, "start_s": 4.0, "work_s": 6.0, "cpu_s": 12.0},
    "texts": {"a.wav": "red green blue gold", "b.wav": "un deux", "hum.wav": ""},
    "words": {},
    "errors": {"broken.wav": "not_audio: it is HTML"},
    "details": {"n_chunks": 8, "n_repaired": 2},
    "versions": {"ctranslate2": "4"},
}
PEER: Run = {
    **OURS,
    "system": "transformers",
    "work_s": 30.0,
    "texts": {"a.wav": "red grin blue", "b.wav": "un deux", "hum.wav": "you"},
    "details": {},
}


def tables(*runs: Run, left_out: tuple[Run, ...] = ()) -> str:
    return render({"Command": "`scripts/benchmark --out DIR`"}, [WORKLOAD], list(runs), list(left_out))


def cells(text: str, first: str) -> list[str]:
    """Of the first table row that begins with a cell."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {first} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_system_is_named_with_its_options():
    found = bench.Contender.parse("distribatch-batched:cores=2,threads=4")
    assert (found.name, found.options) == ("distribatch-batched", {"cores": 2, "threads": 4})
    assert bench.Contender.parse("library").options == {}
    for label in bench.DEFAULT_SYSTEMS:
        bench.Contender.parse(label)


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("whisper", "unknown system"),
        ("library:speed=2", "write one of"),
        ("library:beam=0", "write one of"),
        ("library:beam", "write one of"),
        ("transformers:cores=2", "have cores"),
    ],
)
def test_an_option_without_effect_is_refused(label, reason):
    with pytest.raises(ValueError, match=reason):
        bench.Contender.parse(label)


def test_systems_take_turns_within_each_repeat_and_another_begins_each_time():
    systems = [bench.Contender.parse(name) for name in ("library", "spark", "transformers")]
    workloads = [WORKLOAD, replace(WORKLOAD, name="long")]
    turns = [(repeat, w.name, s.label) for repeat, w, s in bench.schedule(systems, workloads, 3)]
    assert len(set(turns)) == len(turns) == 18
    assert turns[:6] == [(0, w, s) for w in ("short", "long") for s in ("library", "spark", "transformers")]
    assert turns[6][2] == "spark" and turns[12][2] == "transformers"


def test_medians_spreads_and_shares():
    runs = [{**OURS, "repeat": n, "work_s": work_s} for n, work_s in enumerate((6.0, 3.0, 4.0))]
    row = cells(tables(*runs), "library")
    assert row[1:4] == ["15.0 (10.0–20.0)", "1.00 ×", "6.0"]  # 60 s: without the broken file
    assert row[4] == "720.0" and row[-1] == "25.0%"


def test_the_tables_say_it_all():
    left_out = {"system": "whisperx", "workload": "every workload", "why": "needs 8 GB | of disk"}
    text = tables(OURS, PEER, left_out=(left_out,))
    assert "`scripts/benchmark --out DIR`" in text
    assert cells(text, "transformers")[1:3] == ["2.0 (2.0–2.0)", "5.00 ×"]
    assert cells(text, "over all")[1:] == ["6", "0.0000 (0.0000)", "0.3333 (0.3333)"]
    assert "- library: 1 files failed: broken.wav: not_audio: it is HTML" in text
    assert "- transformers: words where nobody speaks: {'hum.wav': 'you'}" in text
    assert "needs 8 GB \\| of disk" in text
    assert "differ from run to run" not in text
    changed = {**OURS, "repeat": 1, "texts": {**OURS["texts"], "b.wav": "un dos"}}
    assert "- library: the texts differ from run to run" in tables(OURS, changed)


def test_word_times_are_compared_where_a_system_gives_them():
    timed = [
        replace(r, word_times=((0.0, 0.5, "un"),), word_times_source="manual")
        for r in WORKLOAD.references[1:2]
    ]
    run = {**OURS, "words": {"b.wav": [[0.04, 0.5, "un"]]}}
    text = render({}, [Workload("short", timed)], [run, PEER], [])
    assert cells(text, "manual")[1:5] == ["start", "library", "1 / 1", "40"]


def test_nothing_measured_still_makes_tables():
    assert "No system did it." in tables()


def test_memory_of_children_counts_and_what_a_command_leaves_behind_is_ended(tmp_path):
    mark = tmp_path / "alive"
    child = f"import time; x = b'1' * 80_000_000\nwhile True: open({str(mark)!r}, 'w'); time.sleep(0.1)"
    code = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(1.5)"
    )
    done = watch.run([sys.executable, "-c", code], {}, tmp_path / "log", 30)
    assert done.error == "" and 1.4 < done.wall_s < 20
    assert done.peak_rss_mb > 80
    mark.unlink()
    time.sleep(0.5)
    assert not mark.exists()


def test_a_command_that_fails_or_takes_too_long_says_so(tmp_path):
    failed = watch.run([sys.executable, "-c", "print('why'); exit(3)"], {}, tmp_path / "log", 30)
    assert failed.error == "exit code 3: why"
    slow = watch.run([sys.executable, "-c", "import time; time.sleep(60)"], {}, tmp_path / "log", 0.5)
    assert slow.error == "killed after 0 s" and slow.wall_s < 20


def test_cpu_time_holds_children_that_have_ended(tmp_path):
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    code = (
        f"import sys, subprocess; sys.path.insert(0, {str(Path(watch.__file__).parent)!r})\n"
        f"import watch\nsubprocess.run([sys.executable, '-c', {burn!r}])\nprint(watch.cpu_s())"
    )
    assert watch.run([sys.executable, "-c", code], {}, tmp_path / "log", 30).error == ""
    assert 0.3 <= float((tmp_path / "log").read_text()) < 5


def test_quick_workloads_need_no_download(tmp_path):
    sizes = Sizes(long_s=12.0, n_prompts=3, silence_s=60.0, quick=True)
    short, long, quiet = (
        workloads.make(name, tmp_path, sizes, ["en"], None) for name in ("short", "long", "silence")
    )
    assert all(r.path.exists() for w in (short, long, quiet) for r in w.references)
    assert len(short.references) == 3
    assert {r.language for r in long.references} == {"en", "es", "fr", "it", "pt"}
    assert all((r.duration_s or 99) <= 13 for r in long.references)
    assert quiet.audio_s >= 60
    spoken_s = sum(workloads.soundfile.info(p).duration for p in workloads.CLIPS.glob("call*"))
    assert "library" in (quiet.references[0].text or "") and spoken_s < quiet.audio_s / 2


def test_a_workload_that_cannot_be_made_says_why(tmp_path, monkeypatch):
    with pytest.raises(Unavailable, match="--references"):
        workloads.make("mixed", tmp_path, Sizes(), ["en"], None)
    monkeypatch.setattr(workloads.shutil, "which", lambda tool: None)
    with pytest.raises(Unavailable, match="apt-get is not here"):
        workloads.make("short", tmp_path, Sizes(), ["en"], None)


def test_prompts_whose_text_is_not_all_spoken_are_left_out():
    listing = (
        "; title\n\nadded: Added.\nbeep: [this is a beep]\nhelp/x: Press 1: now\nmenu: menu: Press 1\nnone:"
    )
    assert list(workloads._spoken(listing)) == [("added", "Added."), ("help/x", "Press 1: now")]


def test_an_exception_is_that_files_error():
    files = [worker.File(name, name, None) for name in ("good", "bad")]
    answers = worker.one_by_one(lambda file: ({"good": "text"}[file.path], []))(files)
    assert (answers.texts, answers.errors) == ({"good": "text"}, {"bad": "KeyError: 'bad'"})


def test_audio_for_systems_without_a_decoder():
    clip = workloads.warm_up_clip()
    samples = peers.decode(str(clip))
    seconds = workloads.soundfile.info(clip).duration
    assert len(samples) / peers.SAMPLE_RATE == pytest.approx(seconds, abs=0.05)
    assert samples.dtype == "float32" and 0.05 < abs(samples).max() <= 1


STUB = """\
#!{python}
import json, sys
job = json.load(open(sys.argv[2]))
if job["system"] == "openai-whisper":
    sys.exit("no such checkpoint")
texts = {{file["id"]: str(file["language"]) for file in job["files"]}}
result = dict(start_s=2, work_s=4, cpu_s=5, texts=texts, words={{}}, errors={{}}, details={{}})
result["versions"] = {{"stub": "1"}}
json.dump(result, open(job["result"], "w"))
"""


@pytest.fixture
def stubbed(tmp_path, monkeypatch):
    """``bench.main`` with workers that answer the language they were told, or fail; returns its folder."""
    stub = tmp_path / "python"
    stub.write_text(STUB.format(python=sys.executable))
    stub.chmod(stub.stat().st_mode | stat.S_IEXEC)
    rows = [
        {"file": "en.wav", "language": "en", "kind": "read", "reference_text": "en", "duration_s": 8},
        {"file": "yue.wav", "language": "yue", "kind": "read", "reference_text": "none", "duration_s": 8},
        {"file": "hum.wav", "language": "en", "kind": "noise", "duration_s": 8},
    ]
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def interpreter(system: str, cache: Path) -> Path:
        if system == "whisperx":
            raise environments.Unavailable("too big")
        return stub

    monkeypatch.setattr(bench, "fetch", lambda entry: tmp_path / entry.name)
    monkeypatch.setattr(environments, "interpreter", interpreter)
    monkeypatch.setattr(environments, "checkpoints", lambda weights, cache: cache)
    options = f"--workloads mixed --references {manifest} --cache {tmp_path / 'cache'} --repeats 2"

    def main(more: str, exit_code: int = 0) -> Path:
        out = tmp_path / "out"
        assert bench.main([*shlex.split(f"{options} --out {out}"), *shlex.split(more)]) == exit_code
        return out

    return main


def measured(out: Path) -> list[Run]:
    return [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]


def test_from_arguments_to_files(stubbed, capsys):
    out = stubbed("--systems library openai-whisper spark:cores=3 --also whisperx")
    printed = capsys.readouterr().out
    assert (out / "tables.md").read_text() in printed
    assert cells(printed, "library")[1] == "6.0 (6.0–6.0)"
    left_out = printed.partition("## Left out")[2].partition("##")[0]
    assert "too big" in cells(left_out, "whisperx")[2]
    assert cells(left_out, "openai-whisper")[2] == "exit code 1: no such checkpoint"
    assert left_out.count("openai-whisper") == 1  # it is not asked again
    assert [run["system"] for run in measured(out)] == [
        "library",
        "spark:cores=3",
        "spark:cores=3",
        "library",
    ]
    assert measured(out)[0]["texts"] == {"en.wav": "en", "yue.wav": "None", "hum.wav": "None"}
    found = worker.read_job(out / "runs" / "mixed-spark_cores3-1.job.json")
    assert (found.cores, len(found.warm_up), found.beam) == (3, 3, 5)
    assert json.loads((out / "runs" / "mixed-spark_cores3-1.job.json").read_text()) == asdict(found)


def test_a_budget_ends_a_slice_and_the_next_one_takes_it_up(stubbed, capsys):
    out = stubbed("--systems library spark:cores=2 --budget-min 0", exit_code=1)
    assert not (out / "runs.jsonl").exists() and "4 turns wait" in capsys.readouterr().out
    stubbed("--systems library")
    stubbed("--systems library spark:cores=2")
    assert sorted((r["system"], r["repeat"]) for r in measured(out)) == [
        *(("library", 0), ("library", 1), ("spark:cores=2", 0), ("spark:cores=2", 1))
    ]
    stubbed("--systems library spark:cores=2 --budget-min 0")  # the report alone
    assert len(measured(out)) == 4


def test_systems_are_told_no_language_to_be_identified(stubbed):
    out = stubbed("--systems library:threads=1,beam=1 --language identify")
    assert set(measured(out)[0]["texts"].values()) == {"None"}
    found = worker.read_job(out / "runs" / "mixed-library_threads1,beam1-1.job.json")
    assert (found.threads, found.beam) == (1, 1)


def test_a_wrong_system_is_a_wrong_command(capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        bench.main(["--out", str(tmp_path), "--systems", "whisper"])
    assert stopped.value.code == 2 and "unknown system" in capsys.readouterr().err


@pytest.mark.acceptance
@pytest.mark.weights
def test_the_library_and_a_peer_for_real(tmp_path):
    arguments = "--quick --workloads short --systems library faster-whisper-batched --language identify"
    assert bench.main([*arguments.split(), "--out", str(tmp_path), "--cache", str(tmp_path)]) == 0
    runs = {run["system"]: run for run in measured(tmp_path)}
    assert set(runs) == {"library", "faster-whisper-batched"}
    for run in runs.values():
        assert run["wall_s"] > run["work_s"] > 0 and run["cpu_s"] > 1 and run["peak_rss_mb"] > 100
    rates = cells((tmp_path / "tables.md").read_text(), "over all")[2:]
    assert all(float(rate.partition(" ")[0]) < 0.1 for rate in rates)
    assert runs["library"]["details"]["n_chunks"] >= 4
