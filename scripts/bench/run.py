"""Speed, cost and errors of this project beside its peers: same weights, same files, one machine.

    scripts/benchmark --out DIR [--budget-min M] [--quick] [--systems …] [--references MANIFEST] …

Every measurement is a fresh process; systems take turns within each repeat, in another order each time.
A system is named with its options, as ``library:threads=1``, ``spark:cores=2`` or ``openai-whisper:beam=1``.
DIR gets ``runs.jsonl`` (every measurement with its texts), ``tables.md`` and a log of each. What is measured
there with this code is not measured again: give a budget of minutes, and run it again for the next slice.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

import environments
import watch
import workloads
from report import Run, render
from systems import SYSTEMS
from worker import File, Job
from workloads import Sizes, Workload

from transcribe.config import Config
from transcribe.models.cache import fetch
from transcribe.models.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("worker.py")
OPTIONS = ("threads", "beam", "batch", "cores", "words")
SPARK_SYSTEMS = ("spark", "distribatch", "distribatch-batched")
DEFAULT_SYSTEMS = (
    *("library", "library:threads=1", "library-seq2seq", "spark:cores=1", "spark:cores=2"),
    *("faster-whisper", "faster-whisper-batched", "openai-whisper:beam=1", "transformers"),
    *("distribatch:cores=2", "distribatch-batched:cores=2"),
)


@dataclass(frozen=True)
class Contender:
    """One line of the tables: a system with its own options."""

    label: str
    name: str
    options: dict[str, int]

    @classmethod
    def parse(cls, label: str) -> Contender:
        """Parse ``name[:key=value,…]``. Raises ValueError for what is not known or has no effect."""
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
        return cls(label, name, options)


def schedule(
    systems: Sequence[Contender], made: Sequence[Workload], n_repeats: int
) -> Iterator[tuple[int, Workload, Contender]]:
    """Yield every (repeat, workload, system); each repeat begins its turns with another system."""
    for repeat in range(n_repeats):
        first = repeat % len(systems)
        for workload in made:
            for system in [*systems[first:], *systems[:first]]:
                yield repeat, workload, system


class Bench:
    """Runs measurements and remembers, in ``runs.jsonl``, what came of each."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.entry = Registry.of(Config()).get(options.model)
        self.weights = fetch(self.entry)
        self.code = first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])
        self.left_out: list[Run] = []
        self._pythons: dict[str, Path] = {}
        self._folder: Path = options.out / "runs"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._log: Path = options.out / "runs.jsonl"
        lines = self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []
        self.runs: list[Run] = [run for run in map(json.loads, lines) if run["code"] == self.code]

    def make_workloads(self) -> list[Workload]:
        o = self.options
        sizes, made = Sizes(o.long_s, o.prompts, o.silence_s, o.quick), []
        for name in o.workloads:
            try:
                made.append(workloads.make(name, o.cache / "audio", sizes, o.languages, o.references))
            except workloads.Unavailable as error:
                self._leave_out("every system", name, str(error))
        return made

    def make_environments(self, systems: Sequence[Contender]) -> list[Contender]:
        """The systems that can run here."""
        usable = []
        for system in systems:
            try:
                self._pythons[system.name] = environments.interpreter(system.name, self.options.cache)
                if SYSTEMS[system.name].environment == "torch":
                    environments.checkpoints(self.weights, self.options.cache)
                usable.append(system)
            except environments.Unavailable as error:
                self._leave_out(system.label, "every workload", str(error))
        return usable

    def is_measured(self, system: Contender, workload: Workload, repeat: int) -> bool:
        """Also when it has failed: a system that fails at a workload is not asked to do it again."""
        place = (system.label, workload.name)
        done = {(run["system"], run["workload"], run["repeat"]) for run in self.runs}
        return (*place, repeat) in done or place in {(o["system"], o["workload"]) for o in self.left_out}

    def measure(self, system: Contender, workload: Workload, repeat: int) -> None:
        """One fresh process."""
        stem = f"{workload.name}-{system.label}-{repeat + 1}".replace(":", "_").replace("=", "")
        job = self._job(system, workload, self._folder / f"{stem}.result.json")
        job_file = self._folder / f"{stem}.job.json"
        job_file.write_text(json.dumps(asdict(job), ensure_ascii=False), encoding="utf-8")
        Path(job.result).unlink(missing_ok=True)
        command = [str(self._pythons[system.name]), str(WORKER), str(job_file)]
        log = self._folder / f"{stem}.log"
        watched = watch.run(command, self._environment(system, job), log, self.options.limit_s)
        if watched.error or not Path(job.result).exists():
            self._leave_out(system.label, workload.name, watched.error or "no result was written")
            return
        run: Run = {
            **{"system": system.label, "workload": workload.name, "repeat": repeat, "code": self.code},
            **{"wall_s": watched.wall_s, "peak_rss_mb": watched.peak_rss_mb},
            **json.loads(Path(job.result).read_text(encoding="utf-8")),
        }
        self.runs.append(run)
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(run, ensure_ascii=False) + "\n")
        print(f"{stem}: {run['work_s']:.1f} s of work, {len(run['errors'])} files failed", flush=True)

    def _job(self, system: Contender, workload: Workload, result: Path) -> Job:
        o, own = self.options, system.options
        threads = own.get("threads", o.threads)
        cores = own.get("cores", threads if system.name in SPARK_SYSTEMS else 1)
        files = [File(r.file, str(r.path.resolve()), self._language(r.hint)) for r in workload.references]
        clip = str(workloads.warm_up_clip())
        return Job(
            system=system.name,
            files=files,
            warm_up=[File(f"warm-up-{i}", clip, self._language("en")) for i in range(cores)],
            model=o.model,
            weights=str(self.weights),
            checkpoints=str(o.cache / f"checkpoints-{self.weights.name}"),
            device=o.device,
            threads=threads,
            beam=own.get("beam", o.beam),
            batch=own.get("batch", o.batch),
            cores=cores,
            words=bool(own.get("words", 0)),
            settings=o.set,
            folder=str(self._folder),
            result=str(result),
        )

    def _language(self, hint: str | None) -> str | None:
        """What a system is told: nothing that the weights do not know."""
        return hint if self.options.language == "hint" and hint and self.entry.speaks(hint) else None

    def _environment(self, system: Contender, job: Job) -> dict[str, str]:
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SPARK_HOME")}
        python = str(self._pythons[system.name])
        if SYSTEMS[system.name].is_ours:
            environment["PYTHONPATH"] = str(ROOT)
        return environment | {
            "OMP_NUM_THREADS": str(max(1, job.threads // job.cores)),
            "PYSPARK_PYTHON": python,
            "PYSPARK_DRIVER_PYTHON": python,
            "HF_HUB_OFFLINE": "1",
            "ORT_DISABLE_TELEMETRY": "1",
            "PYANNOTE_METRICS_ENABLED": "0",
        }

    def _leave_out(self, system: str, workload: str, reason: str) -> None:
        self.left_out.append({"system": system, "workload": workload, "why": reason})
        print(f"left out: {system}, {workload}: {reason}", file=sys.stderr, flush=True)


def describe(code: str, command: Sequence[str]) -> dict[str, str]:
    """What it ran on: a line each."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")]
    units = [unit for unit in ("amx_bf16", "avx512_bf16", "avx512_vnni", "avx2") if f" {unit} " in f"{info} "]
    memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "Measured": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, code {code}",
        "Machine": f"{(names or [platform.machine()])[0]} ({', '.join(units) or 'no vector units named'}),"
        f" {os.cpu_count()} cores, {memory_gb:.0f} GiB, Python {platform.python_version()}",
        "GPU": first_line(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]),
        "Command": f"`{shlex.join(command)}`",
    }


def first_line(command: list[str]) -> str:
    """Of what the command prints; empty when it is not here or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().partition("\n")[0] if done.returncode == 0 else ""


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    bench = Bench(options)
    made = bench.make_workloads()
    systems = bench.make_environments(options.systems)
    ends = time.monotonic() + 60 * options.budget_min
    waiting = list(schedule(systems, made, options.repeats)) if systems else []
    for n, (repeat, workload, system) in enumerate(waiting):
        if time.monotonic() >= ends:
            print(f"the budget is spent: {len(waiting) - n} turns wait for the next call", flush=True)
            break
        if not bench.is_measured(system, workload, repeat):
            bench.measure(system, workload, repeat)
    order = [system.label for system in systems]
    runs = [r for r in bench.runs if r["system"] in order]
    runs.sort(key=lambda r: (order.index(r["system"]), r["repeat"]))
    command = ["scripts/benchmark", *(sys.argv[1:] if arguments is None else arguments)]
    tables = render(describe(bench.code, command), made, runs, bench.left_out)
    (options.out / "tables.md").write_text(tables, encoding="utf-8")
    print(f"\n{tables}")
    return 0 if runs else 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder of the results; what is there is taken up")
    add("--budget-min", type=float, default=600.0, help="start no run after that; 0: the report alone")
    add("--systems", nargs="+", default=DEFAULT_SYSTEMS, metavar="SYSTEM", help="default: %(default)s")
    add("--also", nargs="+", default=[], metavar="SYSTEM", help="more of them; whisperx takes 8 GB of disk")
    add("--workloads", nargs="+", choices=workloads.NAMES, default=workloads.NAMES)
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
    add("--model", default="base", help="of the registry, in CTranslate2's format (%(default)s)")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of this project")
    add("--limit-s", type=float, default=7200.0, help="a run that takes longer is killed (%(default)s)")
    add("--cache", type=Path, default=Path("~/.cache/spark-transcribe/bench").expanduser())
    add("--quick", action="store_true", help="a smoke run: shipped clips, one repeat, no download of audio")
    options = parser.parse_args(arguments)
    if options.quick:
        options.repeats, options.prompts, options.long_s, options.silence_s = 1, 4, 20.0, 60.0
    try:
        options.systems = [
            Contender.parse(label) for label in dict.fromkeys([*options.systems, *options.also])
        ]
    except ValueError as error:
        parser.error(str(error))
    return options


if __name__ == "__main__":
    sys.exit(main())
