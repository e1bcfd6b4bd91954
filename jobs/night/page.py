"""The page of a run, and the same as JSON, below OUTPUT/reports: written once it has ended."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jobs.night.progress import note
from jobs.night.slots import idle_s, tasks_by_step
from jobs.night.stages import FINDING
from transcribe.errors import StorageError
from transcribe.escape import printable
from transcribe.evaluate.night import content, drift
from transcribe.evaluate.prices import Prices
from transcribe.pages.run import render_run
from transcribe.storage.files import list_files, open_binary, put_bytes
from transcribe.storage.s3 import Stat
from transcribe.tables.delta import dataset
from transcribe.tables.log import live_files

if TYPE_CHECKING:
    from jobs.report import Report

N_BEFORE = 14
"""Runs before that this one is compared with."""
N_EXAMPLES = 5
N_STANDING = 50
"""Failures of former runs that are listed."""

Data = dict[str, Any]


def write_page(report: Report) -> str | None:
    """Where the page is. What keeps it from being written is told and keeps nothing else: None then."""
    folder = f"{report.run.tables.root}/reports"
    try:
        data = collect(report, _before(report, folder))
        page = render_run(data)
        for suffix, text in (("json", json.dumps(data, ensure_ascii=False, indent=1)), ("html", page)):
            put_bytes(f"{folder}/{report.run_id}.{suffix}", text.encode(errors="replace"), report.run.s3)
    except Exception as error:  # also a Spark that is dead: the run's own end must not be lost over it
        note(f"the report's page is not written: {type(error).__name__}: {error}")
        return None
    uri = f"{folder}/{report.run_id}.html"
    note(f"report: {uri}")
    return uri


def collect(report: Report, before: list[Data]) -> Data:
    """All that the page says, ready for JSON."""
    row = report.row()
    found = content(_published(report)).as_dict()
    cores, time = _time(report, row)
    gpus = report.gpu_busy_share
    core_s, gpu_s = row["wall_s"] * cores, row["wall_s"] * len(gpus)
    prices = Prices.load(report.run.config.job.prices)
    cost = prices.cost(core_s, gpu_s)
    audio_h = row["audio_s"] / 3600
    languages = found.pop("by_language")
    stages = [
        {"name": name, "task_s": row[key], "rtfx": row["audio_s"] / row[key]}
        for name, key in (("decoding and VAD", "segment_task_s"), ("inference", "transcribe_task_s"))
        if row[key]
    ]
    return {
        "run": {key: _plain(value) for key, value in row.items() if key != "versions"},
        "wall_s": row["wall_s"],
        "versions": row["versions"],
        "cores": cores,
        "gpu_busy_share": gpus,
        "time": time,
        "stages": stages,
        "models": [asdict(model) for model in report.models],
        "tasks": tasks_by_step(report.held, report.steps),
        "n_waves_tried_again": max(0, _n_tried(report) - row["n_waves"]),
        "held": {
            "core_s": core_s,
            "gpu_s": gpu_s,
            "core_s_an_audio_hour": core_s / audio_h if audio_h and cores else None,
            "gpu_s_an_audio_hour": gpu_s / audio_h if audio_h and gpus else None,
        },
        "cost": {
            "currency": prices.currency,
            "total": cost,
            "an_audio_hour": cost / audio_h if audio_h and cores else None,
        },
        **found,
        "by_language": languages,
        "drift": [
            {**asdict(one), "alarm": one.alarm}
            for one in drift(languages, [b["by_language"] for b in before])
        ],
        "rtfx_before": [one["run"]["rtfx"] for one in before],
        "failures": _failures(report),
        "standing": _standing(report),
    }


def _plain(value: Any) -> Any:
    return value.isoformat(sep=" ", timespec="seconds") if hasattr(value, "isoformat") else value


def _published(report: Report) -> Iterator[Data]:
    """The run's rows of ``transcripts``, from the files that were written since it began."""
    table = report.run.tables.transcripts
    current = table.find() if report.n_published else None
    if current is None:
        return
    began = report.run.started_at
    files = [
        file
        for file in live_files(current)
        if not hasattr(file.greatest.get("published_at"), "tzinfo") or file.greatest["published_at"] >= began
    ]
    columns = ["run_id", "language", "region", "duration_s", "coverage", "utterances"]
    for batch in dataset(current, table.uri, table.s3, table.schema, files).to_batches(columns=columns):
        yield from (row for row in batch.to_pylist() if row["run_id"] == report.run_id)


def _time(report: Report, row: Data) -> tuple[int, dict[str, float]]:
    """Task slots, and how the time that they were held is divided; nothing if no task ran."""
    parts = {
        "inference": row["transcribe_task_s"],
        "decoding and VAD": row["segment_task_s"],
        "loading models": row["model_load_s"],
    }
    if not sum(parts.values()):
        return 0, {}
    slots = report.run.spark.sparkContext.defaultParallelism
    rest_s = max(0.0, row["wall_s"] * slots - sum(parts.values()))
    began_at = report.run.started_at.timestamp()
    idle = idle_s(slots, began_at, began_at + row["wall_s"], report.held, report.steps)
    all_idle_s = sum(idle.values()) or 1.0
    return slots, {**parts, **{reason: rest_s * some_s / all_idle_s for reason, some_s in idle.items()}}


def _n_tried(report: Report) -> int:
    """Waves and parts of waves that were begun."""
    return sum(step.name.endswith(f": {FINDING}") for step in report.steps)


def _failures(report: Report) -> list[Data]:
    """By error, the most frequent first."""
    by_error = defaultdict(list)
    for failure in report.failed_now():
        by_error[failure.error].append(failure)
    return [
        {
            "error": error,
            "n": len(some),
            "next_step": printable(some[0].next_step, 500),
            "recordings": [
                {"recording_id": one.recording_id, "message": one.message} for one in some[:N_EXAMPLES]
            ],
        }
        for error, some in sorted(by_error.items(), key=lambda item: -len(item[1]))
    ]


def _standing(report: Report) -> Data:
    """Return the failures of former runs that still stand, the latest first, and how many more there are."""
    this = {failure.recording_id for failure in report.failed_now()}
    rows = report.run.tables.current_failures().to_pylist()
    former = sorted(
        (row for row in rows if row["recording_id"] not in this),
        key=lambda row: row["last_seen_at"],
        reverse=True,
    )
    names = ("error", "message", "next_step")
    shown = [
        {"recording_id": row["recording_id"], **{name: row[name] or "" for name in names}}
        for row in former[:N_STANDING]
    ]
    return {"recordings": shown, "n_more": len(former) - len(shown)}


def _before(report: Report, folder: str) -> list[Data]:
    """The last runs' pages as data, the oldest first; one that cannot be read is left out."""
    s3 = report.run.s3
    try:
        listed = [one.uri for one in list_files(folder, s3) if isinstance(one, Stat)]
    except StorageError:  # no page yet
        return []
    pages = []
    for uri in sorted(uri for uri in listed if uri.endswith(".json"))[-N_BEFORE:]:
        try:
            with open_binary(uri, s3) as file:
                page = json.loads(file.read())
            pages.append({"by_language": page["by_language"], "run": {"rtfx": float(page["run"]["rtfx"])}})
        except (StorageError, ValueError, KeyError, TypeError) as error:
            note(f"{uri} is no page of a run: {error!r}")
    return pages
