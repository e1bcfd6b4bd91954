"""Which recordings are new, stale, already done or known to fail; and in which waves to do the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import pyarrow as pa
from pyspark.sql import SparkSession

from jobs.spark.errors import SPARK_ERRORS, is_crash
from jobs.spark.frames import small_frame
from transcribe.config import Config, fingerprint
from transcribe.inputs.read import Inputs, Unplannable
from transcribe.models.registry import Registry
from transcribe.payload import dump, parse
from transcribe.storage.s3 import S3Options
from transcribe.tables.tables import Tables
from transcribe.types import Failure, Recording
from udfs.segment import PROBED, probe_all

GUESSED_DURATION_S = 300.0
"""For packing waves, where a header does not tell."""

N_LISTED = 20
"""Unreadable recordings that are named to people; the tables name all."""


@dataclass
class Plan:
    """Every recording asked for is in exactly one of todo, done, given_up and unplannable."""

    todo: dict[str, Recording] = field(default_factory=dict)  # by id, in input order
    done: dict[str, Recording] = field(default_factory=dict)  # current transcript, nothing changed
    given_up: dict[str, Recording] = field(default_factory=dict)  # failed before, nothing changed
    unplannable: dict[str, Unplannable] = field(default_factory=dict)
    transcribed: dict[str, str] = field(default_factory=dict)  # id → source version of its transcript
    fingerprints: dict[str, str] = field(default_factory=dict)  # of todo
    outlived: set[str] = field(default_factory=set)  # of done: a run died before it cleared their failure
    suspects: set[str] = field(default_factory=set)  # of todo: crashed their worker before
    duration_s: dict[str, float] = field(default_factory=dict)  # from headers, of todo, where known
    unreadable: dict[str, Failure] = field(default_factory=dict)  # header cannot be read, of todo

    @property
    def n_planned(self) -> int:
        return len(self.todo) + len(self.done) + len(self.given_up) + len(self.unplannable)

    @property
    def audio_s(self) -> float:
        """Of what is to be done, as far as headers tell."""
        return sum(self.duration_s.values())

    def hopeless(self) -> list[Failure]:
        """What has failed before any work: rows that cannot be planned, files that no run can read."""
        unreadable = [failure for failure in self.unreadable.values() if not failure.retryable]
        return [one.failure for one in self.unplannable.values()] + unreadable

    def waves(self, config: Config) -> Iterator[list[Recording]]:
        """What is worth doing, in input order, ``job.wave_audio_h`` at a time; suspects last, each alone."""
        hopeless = {failure.recording_id for failure in self.hopeless()}
        wave: list[Recording] = []
        wave_s = 0.0
        for id_, recording in self.todo.items():
            if id_ in hopeless or id_ in self.suspects:
                continue
            wave.append(recording)
            wave_s += self.duration_s.get(id_, GUESSED_DURATION_S)
            if wave_s >= config.job.wave_audio_h * 3600:
                yield wave
                wave, wave_s = [], 0.0
        if wave:
            yield wave
        yield from ([self.todo[id_]] for id_ in sorted(self.suspects - hopeless))

    def describe(self) -> str:
        """The plan for people: counts, audio hours, and what is to be done by language and region."""
        readable = {id_: r for id_, r in self.todo.items() if id_ not in self.unreadable}
        n_stale = len(readable.keys() & self.transcribed.keys())
        n_unknown = len(readable.keys() - self.duration_s.keys())
        unreadable = [*self.unreadable.values(), *(one.failure for one in self.unplannable.values())]
        lines = [
            f"planned     {self.n_planned:6d} recordings",
            f"new         {len(readable) - n_stale:6d}",
            f"stale       {n_stale:6d}  source, model, settings, region or service changed",
            f"unreadable  {len(unreadable):6d}",
            f"done        {len(self.done):6d}  already transcribed under these settings",
            f"given up    {len(self.given_up):6d}  failed before, nothing changed since",
            f"to do       {self.audio_s / 3600:10.3f} audio hours"
            + (f", {n_unknown} recordings of unknown length" if n_unknown else ""),
        ]
        counts: Counter[tuple[str, str]] = Counter()
        seconds: dict[tuple[str, str], float] = {}
        for id_, recording in readable.items():
            group = recording.language or "(identify)", recording.region
            counts[group] += 1
            seconds[group] = seconds.get(group, 0.0) + self.duration_s.get(id_, 0.0)
        lines += [
            f"  {language:<12} {region:<14} {n:6d} recordings {seconds[language, region] / 3600:10.3f} h"
            for (language, region), n in sorted(counts.items())
        ]
        lines += [f"  unreadable: {f.recording_id}: {f.message}" for f in unreadable[:N_LISTED]]
        if len(unreadable) > N_LISTED:
            lines.append(f"  … and {len(unreadable) - N_LISTED} more")
        return "\n".join(lines)


def make(inputs: Inputs, tables: Tables, registry: Registry, config: Config) -> Plan:
    """Compare what is asked for with what the tables hold."""
    ids = [*inputs.recordings, *inputs.unplannable]
    transcripts = {row["recording_id"]: row for row in tables.current_transcripts(ids).to_pylist()}
    failures = {row["recording_id"]: row for row in tables.current_failures(ids).to_pylist()}

    @cache
    def fingerprint_of(models: frozenset[str], *hints: str | None) -> str:
        entries = [registry.get(name) for name in sorted(models)]
        revisions = ",".join(f"{entry.name}@{entry.revision}/{entry.engine}" for entry in entries)
        return fingerprint(config, revisions, *hints)

    plan = Plan(unplannable=inputs.unplannable)
    plan.transcribed = {id_: row["source_version"] for id_, row in transcripts.items()}
    for id_, recording in inputs.recordings.items():
        models = possible_models(recording, registry, config)
        fingerprint_ = fingerprint_of(models, recording.language, recording.channels)
        state = {"source_version": recording.source_version, "fingerprint": fingerprint_}
        placed = {**state, "region": recording.region, "service": recording.service}
        transcript, failure = transcripts.get(id_), failures.get(id_)
        if transcript and transcript | placed == transcript:
            plan.done[id_] = recording
            if failure:
                plan.outlived.add(id_)
        elif failure and not failure["retryable"] and failure | state == failure:
            plan.given_up[id_] = recording
        else:
            plan.todo[id_] = recording
            plan.fingerprints[id_] = fingerprint_
            if failure and failure["stage"] == "worker":
                plan.suspects.add(id_)
    return plan


def possible_models(recording: Recording, registry: Registry, config: Config) -> frozenset[str]:
    """Names of the models that may have a part in the transcript: all of them, while its language is open."""
    hint = registry.usable_hint(recording, config.model)
    if hint:
        return frozenset({registry.model_name(recording, hint, config.model)})
    routed = {config.model} if config.model else {registry.default, *(r.model for r in registry.routes)}
    return frozenset({config.language.model, *routed})


def probe(plan: Plan, spark: SparkSession, config: Config, s3: S3Options) -> None:
    """Read the headers of what is to be done, on the executors, into ``duration_s`` and ``unreadable``.

    If a header crashes its reader, all lengths stay unknown: the waves find out whose it is.
    """
    n_tasks = min(len(plan.todo), 4 * spark.sparkContext.defaultParallelism)
    rows = [(dump(recording),) for recording in plan.todo.values()]
    recordings = small_frame(spark, rows, pa.schema([("payload", pa.string())])).repartition(n_tasks)
    try:
        probed = recordings.mapInPandas(probe_all(config, s3), PROBED).collect()
    except SPARK_ERRORS as error:
        if not is_crash(error):
            raise
        return
    for row in probed:
        if row.payload is not None:
            plan.unreadable[row.recording_id] = parse(Failure, row.payload)
        elif row.duration_s is not None and row.duration_s == row.duration_s:
            plan.duration_s[row.recording_id] = row.duration_s
