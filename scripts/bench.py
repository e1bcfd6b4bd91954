"""Speed, cost and errors of this project beside its peers: same weights, same files, one machine, one run.

    scripts/bench --out DIR [--quick] [--systems …] [--also whisperx] [--references MANIFEST] …

Every measurement is a fresh process; systems take turns within each repeat, in another order each time.
A system is named with its options, as ``library:threads=1``, ``spark:cores=2`` or ``openai-whisper:beam=1``.
DIR gets ``results.json``, ``tables.md``, ``speed.svg``, ``runs.jsonl`` (every measurement with its texts)
and a log of each. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import bench_environments
import bench_process
import bench_workloads
from bench_job import File, Job
from bench_machine import describe
from bench_markdown import render
from bench_plot import plot
from bench_summary import LeftOut, Run, summarize
from bench_systems import SYSTEMS
from bench_workloads import Sizes, Workload

from transcribe.models.cache import fetch
from transcribe.models.registry import DEFAULT_PATH, ModelEntry, Registry

ROOT = Path(__file__).resolve().parents[1]
WORKER = Path(__file__).with_name("bench_systems.py")
OPTIONS = ("threads", "beam", "batch", "cores")
DEFAULT_SYSTEMS = (
    *("library", "library:threads=1", "spark:cores=1", "spark:cores=2"),
    *("faster-whisper", "faster-whisper-batched", "openai-whisper:beam=1", "transformers"),
    *("distribatch:cores=2", "distribatch-batched:cores=2"),
)
SPARK_SYSTEMS = ("spark", "distribatch", "distribatch-batched")


@dataclass(frozen=True)
class System:
    """One line of the tables: a system with its own options."""

    label: str
    name: str
    options: dict[str, int]


def parse_system(label: str) -> System:
    """``name[:key=value,…]``. Raises ValueError for what is not known or has no effect."""
    name, _, rest = label.partition(":")
    if name not in SYSTEMS:
        raise ValueError(f"unknown system {name!r}; known: {', '.join(SYSTEMS)}")
    options = {}
    for item in filter(None, rest.split(",")):
        key, _, value = item.partition("=")
        if key not in OPTIONS or not value.isdigit() or int(value) < 1:
            raise ValueError(f"{item!r} in {label!r}: write one of {', '.join(OPTIONS)}=NUMBER")
        if key == "cores" and name not in SPARK_SYSTEMS:
            raise ValueError(f"{label!r}: only {', '.join(SPARK_SYSTEMS)} have cores")
        options[key] = int(value)
    return System(label, name, options)


def schedule(
    systems: list[System], workloads: list[Workload], n_repeats: int
) -> Iterator[tuple[int, Workload, System]]:
    """Every (repeat, workload, system); each repeat begins its turns with another system."""
    for repeat in range(n_repeats):
        first = repeat % len(systems)
        for workload in workloads:
            for system in [*systems[first:], *systems[:first]]:
                yield repeat, workload, system


class Bench:
    """Runs measurements and remembers what came of each, and what was left out."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.entry: ModelEntry = Registry.load(DEFAULT_PATH).get(options.model)
        self.weights = fetch(self.entry)
        self.runs: list[Run] = []
        self.left_out: list[LeftOut] = []
        self._pythons: dict[str, Path] = {}
        self._folder: Path = options.out / "runs"
        self._folder.mkdir(parents=True, exist_ok=True)
        (options.out / "runs.jsonl").write_text("")

    def make_workloads(self) -> list[Workload]:
        o = self.options
        sizes = Sizes(o.long_s, o.prompts, o.silence_s, o.quick)
        made = []
        for name in o.workloads:
            try:
                folder = o.cache / "audio"
                made.append(bench_workloads.make(name, folder, sizes, o.languages, o.references))
                print(
                    f"{name}: {len(made[-1].references)} files, {made[-1].audio_s / 60:.1f} min", flush=True
                )
            except bench_workloads.Unavailable as error:
                self._leave_out("every system", name, str(error))
        return made

    def make_environments(self, systems: list[System]) -> list[System]:
        """The systems that can run here."""
        usable = []
        for system in systems:
            try:
                self._pythons[system.name] = bench_environments.interpreter(system.name, self.options.cache)
                if system.name in ("openai-whisper", "transformers"):
                    bench_environments.checkpoints(self.weights, self.options.cache)
                usable.append(system)
            except bench_environments.Unavailable as error:
                self._leave_out(system.label, "every workload", str(error))
        return usable

    def measure(self, system: System, workload: Workload, repeat: int) -> None:
        """One fresh process. A system that fails at a workload is not asked to do it again."""
        if any(o.system == system.label and o.workload == workload.name for o in self.left_out):
            return
        stem = f"{workload.name}-{system.label}-{repeat + 1}".replace(":", "_").replace("=", "")
        job = self._job(system, workload, self._folder / f"{stem}.result.json")
        job_file = self._folder / f"{stem}.job.json"
        job_file.write_text(json.dumps(asdict(job), ensure_ascii=False), encoding="utf-8")
        load_before = os.getloadavg()[0]
        Path(job.result).unlink(missing_ok=True)
        watched = bench_process.run(
            [str(self._pythons[system.name]), str(WORKER), str(job_file)],
            self._environment(system, job),
            self._folder / f"{stem}.log",
            self.options.limit_s,
        )
        if watched.error or not Path(job.result).exists():
            self._leave_out(system.label, workload.name, watched.error or "no result was written")
            return
        found = json.loads(Path(job.result).read_text(encoding="utf-8"))
        run = Run(
            system=system.label,
            workload=workload.name,
            repeat=repeat,
            wall_s=watched.wall_s,
            peak_rss_mb=watched.peak_rss_mb,
            load_before=load_before,
            **found,
        )
        self.runs.append(run)
        with (self.options.out / "runs.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(run), ensure_ascii=False) + "\n")
        print(
            f"{workload.name}, {system.label}, {repeat + 1} of {self.options.repeats}: RTFx"
            f" {run.audio_s(workload) / run.work_s:.1f}, {run.wall_s:.0f} s in all,"
            f" {run.peak_rss_mb:.0f} MB, {len(run.errors)} files failed",
            flush=True,
        )

    def _job(self, system: System, workload: Workload, result: Path) -> Job:
        o = self.options
        threads = system.options.get("threads", o.threads)
        cores = system.options.get("cores", threads)
        files = [File(r.file, str(r.path.resolve()), self._language(r.hint)) for r in workload.references]
        clip = str(bench_workloads.warm_up_clip())
        n_warm_up = cores if system.name in SPARK_SYSTEMS else 1
        return Job(
            system=system.name,
            files=files,
            warm_up=[File(f"warm-up-{i}", clip, self._language("en")) for i in range(n_warm_up)],
            model=o.model,
            weights=str(self.weights),
            checkpoints=str(o.cache / f"checkpoints-{self.weights.name}"),
            device=o.device,
            threads=threads,
            beam=system.options.get("beam", o.beam),
            batch=system.options.get("batch", o.batch),
            cores=cores,
            settings=o.set,
            folder=str(self._folder),
            result=str(result),
        )

    def _language(self, hint: str | None) -> str | None:
        """What a system is told: nothing that the weights do not know."""
        return hint if self.options.language == "hint" and hint and self.entry.speaks(hint) else None

    def _environment(self, system: System, job: Job) -> dict[str, str]:
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SPARK_HOME")}
        python = str(self._pythons[system.name])
        if system.name in ("library", "spark"):
            environment["PYTHONPATH"] = str(ROOT)
        per_task = max(1, job.threads // job.cores) if system.name in SPARK_SYSTEMS else job.threads
        return environment | {
            "OMP_NUM_THREADS": str(per_task),
            "PYSPARK_PYTHON": python,
            "PYSPARK_DRIVER_PYTHON": python,
            "HF_HUB_OFFLINE": "1",
            "ORT_DISABLE_TELEMETRY": "1",
            "PYANNOTE_METRICS_ENABLED": "0",
        }

    def _leave_out(self, system: str, workload: str, reason: str) -> None:
        self.left_out.append(LeftOut(system, workload, reason))
        print(f"left out: {system}, {workload}: {reason}", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    bench = Bench(options)
    workloads = bench.make_workloads()
    systems = bench.make_environments(options.systems)
    if systems:
        for repeat, workload, system in schedule(systems, workloads, options.repeats):
            bench.measure(system, workload, repeat)
    results = {
        **describe(["scripts/bench", *(sys.argv[1:] if arguments is None else arguments)]),
        "setting": {
            name: getattr(options, name)
            for name in ("model", "language", "beam", "threads", "batch", "device", "repeats", "set")
        },
        **summarize(bench.runs, workloads, [s.label for s in systems], bench.left_out),
    }
    (options.out / "results.json").write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n")
    tables = render(results)
    (options.out / "tables.md").write_text(tables, encoding="utf-8")
    (options.out / "speed.svg").write_text(plot(results), encoding="utf-8")
    print(f"\n{tables}")
    return 0 if bench.runs else 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder of the results")
    add("--systems", nargs="+", default=DEFAULT_SYSTEMS, metavar="SYSTEM", help="default: %(default)s")
    add("--also", nargs="+", default=[], metavar="SYSTEM", help="more of them; whisperx takes 8 GB of disk")
    add("--workloads", nargs="+", choices=bench_workloads.NAMES, default=bench_workloads.NAMES)
    add("--references", type=Path, help="manifest of references (JSONL) for the workload mixed")
    add("--language", choices=["hint", "identify"], default="hint", help="what the systems are told")
    add("--languages", nargs="+", default=["en", "es", "fr", "it", "ru"], help="of the prompts")
    add("--long-s", type=float, default=360.0, help="seconds of a long recording (%(default)s)")
    add("--prompts", type=int, default=60, help="short prompts a language (%(default)s)")
    add("--silence-s", type=float, default=900.0, help="seconds of the quiet line (%(default)s)")
    add("--repeats", type=int, default=3)
    add("--beam", type=int, default=5, help="of all systems that name none of their own (%(default)s)")
    add("--batch", type=int, default=16, help="batch size of the peers that batch (%(default)s)")
    add("--threads", type=int, default=os.cpu_count(), help="CPU threads of a system (%(default)s)")
    add("--device", choices=["cpu", "cuda"], default="cpu")
    add("--model", default="base", help="of conf/models, in CTranslate2's format (%(default)s)")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of this project")
    add("--limit-s", type=float, default=7200.0, help="a run that takes longer is killed (%(default)s)")
    add("--cache", type=Path, default=Path("~/.cache/spark-transcribe/bench").expanduser())
    add("--quick", action="store_true", help="a smoke run: shipped clips, one repeat, no download of audio")
    options = parser.parse_args(arguments)
    if options.quick:
        options.repeats, options.prompts, options.long_s, options.silence_s = 1, 4, 20.0, 60.0
    try:
        options.systems = [parse_system(label) for label in dict.fromkeys([*options.systems, *options.also])]
    except ValueError as error:
        parser.error(str(error))
    return options


if __name__ == "__main__":
    sys.exit(main())
