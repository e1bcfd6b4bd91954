"""Sweeps settings over references by successive halving: a Pareto front, and an overlay for each goal.

    python -m jobs.tune --references MANIFEST --output DIR [--sweep KEY=V1,V2,…] … [--budget-min M]
        [--candidates N] [--cost-factor F] [--spark] [--conf YAML] [--set key=value]

Within ``--budget-min`` minutes; the same command again goes on where it stopped. DIR gets ``tune.html``
(error against cost, as plot and table), ``tune.json`` and an overlay in YAML for each goal. Exit code 1 if
nothing could be compared yet.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pyspark.sql import SparkSession

from jobs import cli, session
from jobs.evaluate import by_spark
from jobs.night.progress import note
from transcribe import config as configuration
from transcribe.config import Config
from transcribe.errors import ConfigError
from transcribe.evaluate import reference
from transcribe.evaluate.__main__ import by_library
from transcribe.evaluate.evaluation import admit, without_removed
from transcribe.evaluate.systems import Answers, Measured
from transcribe.evaluate.tune import (
    SPACE,
    Trial,
    Tuner,
    applied,
    candidates,
    front,
    name_of,
    overlay,
    recommended,
)
from transcribe.job_config import SparkConfig
from transcribe.models.registry import Registry
from transcribe.models.scope import Scope
from transcribe.pages.page import render
from transcribe.storage.s3 import S3Options


@dataclass(frozen=True)
class Tuned:
    """Candidates on the most references so far, and the best for each goal."""

    trials: list[Trial]
    goals: dict[str, Trial]
    complete: bool
    page: str

    @property
    def exit_code(self) -> int:
        return 0 if self.goals else 1

    def __str__(self) -> str:
        if not self.goals:
            return "nothing can be compared yet: run the same command again, with more --budget-min"
        n = self.trials[0].n_references
        lines = [f"{'WER':>8} {'cost':>8} {'failed':>7}  settings (on {n} references)"]
        lines += [
            f"{t.wer:8.4f} {t.cost:8.4f} {len(t.failed):7d}  {name_of(t.settings)}"
            for t in front(self.trials)
        ]
        lines += [
            f"{goal}: {name_of(t.settings)} (WER {t.wer:.4f}, cost {t.cost:.4f})"
            for goal, t in self.goals.items()
        ]
        unfinished = "" if self.complete else "; the time was up: the same command goes on"
        return "\n".join([*lines, f"page: {self.page}{unfinished}"])


def run(
    *,
    references: str,
    output: str,
    config: Config | None = None,
    space: Mapping[str, Sequence[Any]] = SPACE,
    budget_min: float = 30.0,
    n_candidates: int = 27,
    cost_factor: float = 1.5,
    seed: int = 1,
    on_spark: bool = False,
) -> Tuned:
    """For notebooks: what the command's options mean. Raises ``ConfigError`` before anything is measured."""
    config, folder = config or Config(), Path(output)
    if space is not SPACE:
        _check_values(space, config)
    wanted = candidates(space, config, n_candidates, seed)
    _check_spark(space, on_spark)
    scope, known = Scope.of(config, output), reference.load(references, S3Options.of(config.storage))
    admit(scope, references, known)
    known = without_removed(known, output, S3Options())
    measure = _Cluster() if on_spark else by_library
    tuner = Tuner(known, config, folder, measure, seed, note)
    complete = tuner.sweep(wanted, budget_min * 60)
    trials = sorted(tuner.last, key=lambda trial: trial.cost)
    tuned = Tuned(trials, recommended(trials, cost_factor), complete, str(folder / "tune.html"))
    if trials:
        _write(tuned, folder)
    return tuned


def _check_values(space: Mapping[str, Sequence[Any]], config: Config) -> None:
    """Raise ConfigError for a value that somebody names and that no run could have."""
    for key, values in space.items():
        for value in values:
            Registry.of(applied(config, {key: value}))


def _check_spark(space: Mapping[str, Sequence[Any]], on_spark: bool) -> None:
    """Settings of Spark are a session's from its start."""
    for key in space:
        if key.startswith("spark.") and not on_spark:
            raise ConfigError("--sweep", key, "needs --spark")
        if key.startswith("spark.") and session.active():
            raise ConfigError("--sweep", key, "needs sessions of its own: stop the one that there is")


class _Cluster:
    """Measures the job, in a new session wherever a candidate has other settings of Spark."""

    def __init__(self) -> None:
        self._opened: tuple[SparkSession, SparkConfig] | None = None

    def __call__(self, manifest: str, settings: Config, place: str) -> tuple[Answers, Measured]:
        if self._opened and self._opened[1] != settings.spark:
            self._opened[0].stop()
            self._opened = None
        spark = session.open(settings)
        self._opened = spark, settings.spark
        return by_spark(spark, manifest, settings, place)


def _write(tuned: Tuned, folder: Path) -> None:
    goals = {
        goal: {
            "wer": t.wer,
            "cost": t.cost,
            "settings": t.settings,
            "yaml": yaml.safe_dump(overlay(t.settings)),
        }
        for goal, t in tuned.goals.items()
    }
    for goal, one in goals.items():
        name = "overlay-" + goal.split(" ")[0] + ".yaml"
        (folder / name).write_text(f"# {goal}, by jobs/tune.py\n{one['yaml']}", encoding="utf-8")
    rows = _rows(tuned.trials)
    data = {"complete": tuned.complete, "goals": goals, "candidates": rows}
    (folder / "tune.json").write_text(json.dumps(data, indent=1), encoding="utf-8")
    wers, costs = [t.wer for t in tuned.trials], [t.cost for t in tuned.trials]
    page = render(
        "tune.j2",
        rows=rows,
        goals=goals,
        complete=tuned.complete,
        n_references=tuned.trials[0].n_references,
        unit="GPUs" if any(t.gpu_s for t in tuned.trials) else "processor cores",
        **{"low_wer": min(wers), "high_wer": max(wers), "low_cost": min(costs), "high_cost": max(costs)},
    )
    Path(tuned.page).write_text(page, encoding="utf-8")


def _rows(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """For table and plot, whose axes reach from the least to the greatest."""
    best = front(trials)
    wers, costs = [t.wer for t in trials], [t.cost for t in trials]
    return [
        {
            "name": name_of(trial.settings),
            "wer": trial.wer,
            "cost": trial.cost,
            "n_failed": len(trial.failed),
            "front": trial in best,
            "base": not trial.settings,
            "x": round(60 + 560 * (trial.cost - min(costs)) / ((max(costs) - min(costs)) or 1.0), 1),
            "y": round(320 - 300 * (trial.wer - min(wers)) / ((max(wers) - min(wers)) or 1.0), 1),
        }
        for trial in trials
    ]


def swept(given: Sequence[str]) -> Mapping[str, Sequence[Any]]:
    """``KEY=V1,V2`` each; SPACE if there is none. Raises ConfigError."""
    space: dict[str, Sequence[Any]] = {}
    for item in given:
        key, equals, values = item.partition("=")
        if not equals or not values:
            raise ConfigError("--sweep", item, "write it as KEY=VALUE,VALUE, e.g. decode.beam_size=1,5")
        try:
            space[key] = yaml.safe_load(f"[{values}]")  # so that a value may be a list itself
        except (yaml.YAMLError, ValueError):
            raise ConfigError("--sweep", item, "its values are not valid YAML") from None
    return space or SPACE


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.parser(__doc__ or "")
    parser.add_argument(
        "--references", required=True, metavar="MANIFEST", help="recordings with reference_text"
    )
    parser.add_argument(
        "--sweep", action="append", default=[], metavar="KEY=V1,V2", help="repeatable; default: a choice"
    )
    parser.add_argument("--budget-min", type=float, default=30.0, metavar="M", help="minutes (%(default)s)")
    parser.add_argument("--candidates", type=int, default=27, metavar="N", help="at most (%(default)s)")
    parser.add_argument(
        "--cost-factor", type=float, default=1.5, metavar="F", help="of the second goal (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--spark", action="store_true", help="measure the job instead of the library")
    options = parser.parse_args(arguments)
    return cli.run_job(
        lambda: run(
            references=options.references,
            output=options.output,
            config=configuration.load(options.conf, options.set),
            space=swept(options.sweep),
            budget_min=options.budget_min,
            n_candidates=options.candidates,
            cost_factor=options.cost_factor,
            seed=options.seed,
            on_spark=options.spark,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
