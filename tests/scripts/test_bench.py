"""scripts/bench: what is measured, in which order, and what becomes of the numbers; once for real."""

from __future__ import annotations

import json
import shlex
import stat
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict, replace
from pathlib import Path

import bench
import bench_environments
import bench_job
import bench_process
import bench_systems
import bench_workloads
import pytest
from bench_markdown import render
from bench_plot import plot
from bench_summary import LeftOut, Run, summarize
from bench_workloads import Sizes, Unavailable, Workload

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
OURS = Run(
    "library", "short", 0, 10.0, 500.0, 1.5, 1.0, 4.0, 6.0, 12.0,
    texts={"a.wav": "red green blue gold", "b.wav": "un deux", "hum.wav": ""},
    errors={"broken.wav": "not_audio: it is HTML"},
    details={"n_chunks": 8, "n_repaired": 2},
    versions={"ctranslate2": "4"},
)  # fmt: skip
PEER = replace(
    OURS,
    system="transformers",
    work_s=30.0,
    texts={"a.wav": "red grin blue", "b.wav": "un deux", "hum.wav": "you"},
    details={},
)
HEAD = {
    "date": "2026-01-02", "machine": "a machine", "system": "Linux", "accelerator": "", "code": "abc",
    "command": "scripts/bench --out DIR", "setting": {"beam": 5, "set": []},
}  # fmt: skip


def results(*runs: Run, left_out: tuple[LeftOut, ...] = ()) -> dict:
    labels = list(dict.fromkeys(run.system for run in runs))
    return {**HEAD, **summarize(list(runs), [WORKLOAD], labels, list(left_out))}


def test_a_system_is_named_with_its_options():
    found = bench.parse_system("distribatch-batched:cores=2,threads=4")
    assert (found.name, found.options) == ("distribatch-batched", {"cores": 2, "threads": 4})
    assert bench.parse_system("library").options == {}
    for label in bench.DEFAULT_SYSTEMS:
        bench.parse_system(label)


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
        bench.parse_system(label)


def test_systems_take_turns_within_each_repeat_and_another_begins_each_time():
    systems = [bench.parse_system(name) for name in ("library", "spark", "transformers")]
    workloads = [WORKLOAD, replace(WORKLOAD, name="long")]
    turns = [(repeat, w.name, s.label) for repeat, w, s in bench.schedule(systems, workloads, 3)]
    assert len(set(turns)) == len(turns) == 18
    assert turns[:6] == [(0, w, s) for w in ("short", "long") for s in ("library", "spark", "transformers")]
    assert turns[6][2] == "spark" and turns[12][2] == "transformers"


def test_medians_spreads_and_shares():
    times = [6.0, 3.0, 4.0]
    found = results(*(replace(OURS, repeat=i, work_s=s) for i, s in enumerate(times)))
    system = found["workloads"]["short"]["systems"]["library"]
    assert system["rtfx"] == {"median": 15.0, "min": 10.0, "max": 20.0}  # 60 s: without the broken file
    assert system["rtfx_with_start"]["median"] == 6.0
    assert system["cpu_s_per_audio_h"]["median"] == 12 / 60 * 3600
    assert system["repaired_share"] == 0.25
    assert (system["n_runs"], system["same_text_each_time"]) == (3, True)
    changed = replace(OURS, repeat=1, texts={**OURS.texts, "b.wav": "un dos"})
    assert not results(OURS, changed)["workloads"]["short"]["systems"]["library"]["same_text_each_time"]


def test_errors_are_counted_over_what_every_system_answered():
    found = results(OURS, PEER)["workloads"]["short"]
    rates = found["error_rates"]["as written"]
    assert rates["over all"]["library"]["rate"] == 0
    assert rates["en"]["transformers"] == {
        "substitutions": 1, "deletions": 1, "insertions": 0, "n_reference": 4, "rate": 0.5,
    }  # fmt: skip
    assert found["invented"] == {"library": {}, "transformers": {"hum.wav": "you"}}
    lost = replace(PEER, texts={"b.wav": "un deux"}, errors={"a.wav": "x", "hum.wav": "x"})
    found = results(OURS, lost)["workloads"]["short"]
    assert (found["n_scored"], found["left_out"]) == (1, ["a.wav"])
    assert found["systems"]["transformers"]["audio_s"] == 20


def test_the_tables_say_it_all():
    left_out = LeftOut("whisperx", "every workload", "needs 8 GB | of disk")
    tables = render(results(OURS, PEER, left_out=(left_out,)))
    assert "`scripts/bench --out DIR`" in tables and "Setting: beam 5.\n" in tables
    row = "| transformers | 2.0 (2.0–2.0) | 6.0 | 5.00 × | 720 | 500 | 1.0 | 4.0 | 0.3333 | – |"
    assert row in tables
    assert "| library | 10.0 (10.0–10.0) | 6.0 | 1.00 × | 720 | 500 | 1.0 | 4.0 | 0.0000 | 25.0% |" in tables
    assert "| transformers | 0.5000 | 0.0000 | 0.3333 | 0.3333 |" in tables
    assert "- library: 1 files failed: broken.wav: not_audio: it is HTML" in tables
    assert "- transformers: words where nobody speaks: {'hum.wav': 'you'}" in tables
    assert "| whisperx | every workload | needs 8 GB \\| of disk |" in tables


def test_bars_are_as_long_as_the_systems_are_fast():
    picture = ElementTree.fromstring(plot(results(OURS, PEER)))
    bars = [r for r in picture.iter("{http://www.w3.org/2000/svg}rect") if r.get("x")]
    long, short = (float(bar.get("width", 0)) for bar in bars)
    assert long == pytest.approx(5 * short, rel=0.01)
    assert bars[0].get("fill") != bars[1].get("fill")
    assert any("error rate 0.333" in (text.text or "") for text in picture.iter())


def test_nothing_measured_still_makes_tables_and_a_plot():
    empty = {**HEAD, **summarize([], [WORKLOAD], [], [])}
    assert "No system did it." in render(empty) and "Nothing was left out." in render(empty)
    ElementTree.fromstring(plot(empty))


def test_memory_of_children_counts_and_what_a_command_leaves_behind_is_ended(tmp_path):
    mark = tmp_path / "alive"
    child = f"import time; x = b'1' * 80_000_000\nwhile True: open({str(mark)!r}, 'w'); time.sleep(0.1)"
    code = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(1.5)"
    )
    done = bench_process.run([sys.executable, "-c", code], {}, tmp_path / "log", 30)
    assert done.error == "" and 1.4 < done.wall_s < 20
    assert done.peak_rss_mb > 80
    mark.unlink()
    time.sleep(0.5)
    assert not mark.exists()


def test_a_command_that_fails_or_takes_too_long_says_so(tmp_path):
    failed = bench_process.run([sys.executable, "-c", "print('why'); exit(3)"], {}, tmp_path / "log", 30)
    assert failed.error == "exit code 3: why"
    slow = bench_process.run([sys.executable, "-c", "import time; time.sleep(60)"], {}, tmp_path / "log", 0.5)
    assert slow.error == "killed after 0 s" and slow.wall_s < 20


def test_cpu_time_holds_children_that_have_ended(tmp_path):
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    code = (
        f"import sys, os, subprocess; sys.path.insert(0, {str(Path(bench_process.__file__).parent)!r})\n"
        f"import bench_process\nsubprocess.run([sys.executable, '-c', {burn!r}])\n"
        "print(bench_process.session_cpu_s(os.getsid(0)))"
    )
    assert bench_process.run([sys.executable, "-c", code], {}, tmp_path / "log", 30).error == ""
    assert 0.3 <= float((tmp_path / "log").read_text()) < 5


def test_quick_workloads_need_no_download(tmp_path):
    sizes = Sizes(long_s=12.0, n_prompts=3, silence_s=60.0, quick=True)
    short, long, quiet = (
        bench_workloads.make(name, tmp_path, sizes, ["en"], None) for name in ("short", "long", "silence")
    )
    assert [r.path.exists() for w in (short, long, quiet) for r in w.references]
    assert len(short.references) == 3
    assert {r.language for r in long.references} == {"en", "es", "fr", "it", "pt"}
    assert all((r.duration_s or 99) <= 13 for r in long.references)
    assert quiet.audio_s >= 60
    spoken_s = sum(bench_workloads.soundfile.info(p).duration for p in bench_workloads.CLIPS.glob("call*"))
    assert "library" in (quiet.references[0].text or "") and spoken_s < quiet.audio_s / 2


def test_a_workload_that_cannot_be_made_says_why(tmp_path, monkeypatch):
    with pytest.raises(Unavailable, match="--references"):
        bench_workloads.make("mixed", tmp_path, Sizes(), ["en"], None)
    monkeypatch.setattr(bench_workloads.shutil, "which", lambda tool: None)
    with pytest.raises(Unavailable, match="apt-get is not here"):
        bench_workloads.make("short", tmp_path, Sizes(), ["en"], None)


def test_prompts_whose_text_is_not_all_spoken_are_left_out():
    listing = (
        "; title\n\nadded: Added.\nbeep: [this is a beep]\nhelp/x: Press 1: now\nmenu: menu: Press 1\nnone:"
    )
    assert list(bench_workloads._spoken(listing)) == [("added", "Added."), ("help/x", "Press 1: now")]


def test_an_exception_is_that_files_error():
    files = [bench_job.File(name, name, None) for name in ("good", "bad")]
    answers = bench_job.one_by_one(lambda file: {"good": "text"}[file.path])(files)
    assert (answers.texts, answers.errors) == ({"good": "text"}, {"bad": "KeyError: 'bad'"})


def test_audio_for_systems_without_a_decoder():
    clip = bench_workloads.warm_up_clip()
    samples = bench_systems.decode(str(clip))
    seconds = bench_workloads.soundfile.info(clip).duration
    assert len(samples) / bench_systems.SAMPLE_RATE == pytest.approx(seconds, abs=0.05)
    assert samples.dtype == "float32" and 0.05 < abs(samples).max() <= 1


STUB = """\
#!{python}
import json, sys
job = json.load(open(sys.argv[2]))
if job["system"] == "openai-whisper":
    sys.exit("no such checkpoint")
texts = {{file["id"]: str(file["language"]) for file in job["files"]}}
result = dict(load_s=1, start_s=2, work_s=4, cpu_s=5, texts=texts, versions={{"stub": "1"}})
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
            raise bench_environments.Unavailable("too big")
        return stub

    monkeypatch.setattr(bench, "fetch", lambda entry: tmp_path / entry.name)
    monkeypatch.setattr(bench_environments, "interpreter", interpreter)
    monkeypatch.setattr(bench_environments, "checkpoints", lambda weights, cache: cache)
    options = f"--workloads mixed --references {manifest} --cache {tmp_path / 'cache'} --repeats 2"

    def main(more: str) -> Path:
        out = tmp_path / "out"
        assert bench.main([*shlex.split(f"{options} --out {out}"), *shlex.split(more)]) == 0
        return out

    return main


def test_from_arguments_to_files(stubbed, capsys):
    out = stubbed("--systems library openai-whisper spark:cores=3 --also whisperx")
    found = json.loads((out / "results.json").read_text())
    systems = found["workloads"]["mixed"]["systems"]
    assert list(systems) == ["library", "spark:cores=3"]
    assert systems["library"]["rtfx"]["median"] == 6 and systems["library"]["n_runs"] == 2
    reasons = {item["system"]: item["reason"] for item in found["left_out"]}
    assert reasons == {"whisperx": "too big", "openai-whisper": "exit code 1: no such checkpoint"}
    assert len(found["left_out"]) == 2  # it is not asked again
    runs = [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]
    assert len(runs) == 4
    assert runs[0]["texts"] == {"en.wav": "en", "yue.wav": "None", "hum.wav": "None"}
    assert (out / "tables.md").read_text() in capsys.readouterr().out
    ElementTree.fromstring((out / "speed.svg").read_text())
    job = bench_job.read_job(out / "runs" / "mixed-spark_cores3-1.job.json")
    assert (job.cores, len(job.warm_up), job.beam) == (3, 3, 5)
    assert json.loads((out / "runs" / "mixed-spark_cores3-1.job.json").read_text()) == asdict(job)


def test_systems_are_told_no_language_to_be_identified(stubbed):
    out = stubbed("--systems library:threads=1,beam=1 --language identify")
    (first, _) = (json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines())
    assert set(first["texts"].values()) == {"None"}
    job = bench_job.read_job(out / "runs" / "mixed-library_threads1,beam1-1.job.json")
    assert (job.threads, job.beam) == (1, 1)


def test_a_wrong_system_is_a_wrong_command(capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        bench.main(["--out", str(tmp_path), "--systems", "whisper"])
    assert stopped.value.code == 2 and "unknown system" in capsys.readouterr().err


@pytest.mark.weights
def test_the_library_and_a_peer_for_real(tmp_path):
    arguments = "--quick --workloads short --systems library faster-whisper-batched --language identify"
    assert bench.main([*arguments.split(), "--out", str(tmp_path), "--cache", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["left_out"] == []
    short = found["workloads"]["short"]
    for label, system in short["systems"].items():
        assert system["rtfx"]["median"] > system["rtfx_with_start"]["median"] > 0
        assert system["cpu_s_per_audio_h"]["median"] > 1 and system["peak_rss_mb"]["median"] > 100
        assert short["error_rates"]["as written"]["over all"][label]["rate"] < 0.1
    assert short["systems"]["library"]["details"]["n_chunks"] >= 4
