"""Which recordings are new, stale, already done or known to fail; and in which waves to do the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from pyspark.sql import SparkSession

from jobs.inputs import Inputs
from jobs.tables import Tables
from transcribe.config import Config, fingerprint
from transcribe.payload import dump, parse
from transcribe.registry import Registry
from transcribe.storage import S3Options
from transcribe.types import Failure, Recording
from udfs.segment import PROBED, probe_all

GUESSED_DURATION_S = 300.0
"""For packing waves, where a header does not tell."""


@dataclass
class Plan:
    """Every recording asked for is in exactly one of the lists."""

    todo: list[Recording] = field(default_factory=list)
    done: list[Recording] = field(default_factory=list)  # current transcript, nothing changed
    given_up: list[Recording] = field(default_factory=list)  # failed before, nothing changed
    failures: list[tuple[Failure, str, str | None]] = field(default_factory=list)  # cannot be planned
    stale_ids: set[str] = field(default_factory=set)  # of todo: have a transcript to be replaced
    fingerprints: dict[str, str] = field(default_factory=dict)  # by recording_id, of todo
    duration_s: dict[str, float] = field(default_factory=dict)  # from headers, of todo, where known
    unreadable: dict[str, Failure] = field(default_factory=dict)  # header cannot be read, of todo

    @property
    def n_planned(self) -> int:
        return len(self.todo) + len(self.done) + len(self.given_up) + len(self.failures)

    @property
    def audio_s(self) -> float:
        """Of what is to be done, as far as headers tell."""
        return sum(self.duration_s.values())

    def waves(self, config: Config) -> Iterator[list[Recording]]:
        """``todo`` in parts of about ``job.wave_audio_h``, in input order."""
        wave: list[Recording] = []
        wave_s = 0.0
        for recording in self.todo:
            wave.append(recording)
            wave_s += self.duration_s.get(recording.recording_id, GUESSED_DURATION_S)
            if wave_s >= config.job.wave_audio_h * 3600:
                yield wave
                wave, wave_s = [], 0.0
        if wave:
            yield wave

    def describe(self) -> str:
        """The plan for people: counts, audio hours, and what is to be done by language and region."""
        n_new = len(self.todo) - len(self.stale_ids) - len(self.unreadable.keys() - self.stale_ids)
        n_unknown = len(self.todo) - len(self.duration_s) - len(self.unreadable)
        lines = [
            f"planned     {self.n_planned:6d} recordings",
            f"new         {n_new:6d}",
            f"stale       {len(self.stale_ids):6d}  source, model or settings changed",
            f"unreadable  {len(self.unreadable) + len(self.failures):6d}",
            f"done        {len(self.done):6d}  already transcribed under these settings",
            f"given up    {len(self.given_up):6d}  failed before, nothing changed since",
            f"to do       {self.audio_s / 3600:10.3f} audio hours"
            + (f", {n_unknown} unknown" if n_unknown else ""),
        ]
        groups = Counter((r.language or "(identify)", r.region) for r in self.todo)
        hours: Counter[tuple[str, str]] = Counter()
        for r in self.todo:
            hours[r.language or "(identify)", r.region] += self.duration_s.get(r.recording_id, 0.0) / 3600  # type: ignore[assignment]
        lines += [
            f"  {language:<12} {region:<14} {n:6d} recordings {hours[language, region]:10.3f} h"
            for (language, region), n in sorted(groups.items())
        ]
        unreadable = [*self.unreadable.values(), *(f for f, _, _ in self.failures)]
        lines += [f"  unreadable: {f.recording_id}: {f.message}" for f in unreadable]
        return "\n".join(lines)


def make(inputs: Inputs, tables: Tables, registry: Registry, config: Config) -> Plan:
    """Compare what is asked for with what the tables hold."""
    current = {
        row["recording_id"]: (row["source_version"], row["fingerprint"])
        for row in tables.current_transcripts().to_pylist()
    }
    given_up = {
        row["recording_id"]: (row["source_version"], row["fingerprint"])
        for row in tables.current_failures().to_pylist()
        if not row["retryable"]
    }
    plan = Plan(failures=inputs.failures)
    for recording in inputs.recordings:
        print_ = recording_fingerprint(recording, registry, config)
        state = (recording.source_version, print_)
        if current.get(recording.recording_id) == state:
            plan.done.append(recording)
        elif given_up.get(recording.recording_id) == state:
            plan.given_up.append(recording)
        else:
            plan.todo.append(recording)
            plan.fingerprints[recording.recording_id] = print_
            if recording.recording_id in current:
                plan.stale_ids.add(recording.recording_id)
    return plan


def recording_fingerprint(recording: Recording, registry: Registry, config: Config) -> str:
    """The hash that says whether a transcript is up to date. Without a language hint any route may
    be taken, so all of them count."""
    if config.model:
        names = {config.model}
    elif recording.language:
        names = {registry.route(recording.language, recording.region, recording.service)}
    else:
        names = {registry.default, *(route.model for route in registry.routes)}
    if not recording.language:
        names |= {f"{config.language.model}"}
    revisions = ",".join(sorted(f"{name}@{registry.get(name).revision}" for name in names))
    return fingerprint(config, revisions, recording.language, recording.channels)


def probe(plan: Plan, spark: SparkSession, config: Config, s3: S3Options) -> None:
    """Read the headers of what is to be done, on the executors, into ``duration_s`` and ``unreadable``."""
    if not plan.todo:
        return
    n_tasks = min(len(plan.todo), 4 * spark.sparkContext.defaultParallelism)
    rows = [(dump(recording),) for recording in plan.todo]
    recordings = spark.createDataFrame(rows, "payload string").repartition(n_tasks)
    for row in recordings.mapInPandas(probe_all(config, s3), PROBED).collect():
        if row.payload is not None:
            plan.unreadable[row.recording_id] = parse(Failure, row.payload)
        elif row.duration_s is not None and row.duration_s == row.duration_s:
            plan.duration_s[row.recording_id] = row.duration_s
