"""One wave: some recordings through all stages, published in one commit.

    prepare: segment ─▶ (identify)        decode: transcribe        publish: merge ─▶ write ─▶ commit

Between stages the driver sees numbers only (which chunks there are, how long, in which language),
never audio: chunks wait on the executors' disks until they are balanced by audio seconds. What it decides
by them, who votes and which language and model a recording gets, is the library's ``assign``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.night import stages
from jobs.night.models_used import Use
from jobs.night.run import Run
from jobs.night.slots import Held
from jobs.spark.errors import unhindered
from jobs.spark.rewrite import on_executors
from transcribe.decoding import assign
from transcribe.errors import PublishError
from transcribe.tables.parquet import WrittenFile, values
from transcribe.tables.rows import Provenance
from transcribe.types import Failure, Recording, Vote
from transcribe.verdicts import Status
from udfs import rows
from udfs.rows import Assigned, ChunkPlace, Cost, Languages


@dataclass
class WaveResult:
    """What became of a wave's recordings, and what it cost."""

    published: list[str] = field(default_factory=list)  # recording ids
    failures: list[Failure] = field(default_factory=list)
    audio_s: float = 0.0  # of published recordings
    speech_s: float = 0.0
    n_chunks: int = 0
    n_repaired: int = 0
    n_rejected: int = 0
    n_contradicted: int = 0  # recordings that sound like another language than they were decoded in
    segment_task_s: float = 0.0
    transcribe_task_s: float = 0.0
    model_load_s: float = 0.0
    encoded_s: float = 0.0
    chunk_audio_s: float = 0.0
    devices: set[str] = field(default_factory=set)
    gpu_busy_s: Counter[str] = field(default_factory=Counter)  # by host and device
    held: list[Held] = field(default_factory=list)  # slots, by the tasks that tell their cost
    uses: list[Use] = field(default_factory=list)  # of models, by the same

    def add(self, other: WaveResult) -> None:
        """Everything here is a sum."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            setattr(self, name, mine | value if isinstance(mine, set) else mine + value)


@dataclass(frozen=True)
class _Segmented:
    """What the driver knows after segmentation, without the recordings that have failed."""

    duration_s: dict[str, float]
    chunks: dict[str, list[ChunkPlace]]
    segmentations: dict[str, rows.Row]  # as they came: for the merge


class Wave:
    """Used once: ``prepare``, ``decode``, then ``publish``; and ``drop``, whatever happens."""

    def __init__(self, run: Run, recordings: Sequence[Recording], number: str) -> None:
        self._run = run
        self._recordings = {r.recording_id: r for r in recordings}
        self._number = number
        self._failures: dict[str, Failure] = {}
        self._result = WaveResult()
        self._kept: list[DataFrame] = []

    def prepare(self) -> None:
        """Find the speech, and what is to be decoded by which model. Raises what Spark raises when a task
        has failed for good."""
        with self._step(stages.FINDING):
            self._segmented = self._keep(stages.segmented(self._run, list(self._recordings.values())))
            self._found = self._run_segmentation(self._segmented)
        self._assignments = self._assign(self._segmented, self._found)

    def decode(self) -> None:
        """What is prepared. Raises as ``prepare`` does."""
        found = self._found
        work = _work(found, self._assignments)
        entries = {one.entry.identity: one.entry for one in self._assignments.values()}
        heard_s = sum(found.duration_s[id_] for id_ in self._assignments)
        self._run.progress.decoding(heard_s, sum(chunk.duration_s for chunk, _, _ in work))
        self._decoded = self._keep(stages.decoded(self._run, self._segmented, work, entries))
        with self._step(stages.TRANSCRIBING, stages.INFERENCE_POOL):
            self._run_inference(self._decoded)

    def publish(self) -> WaveResult:
        """What is decoded. When it raises, nothing of the wave is published."""
        found, result = self._found, self._result
        good = {id_: a for id_, a in self._assignments.items() if id_ not in self._failures}
        with self._step("publishing"):
            files = self._write(self._decoded, good)
            seconds = values(files, "contradicted_s", self._run.tables.transcripts.uri, self._run.s3)
            self._publish(files, set(good))  # which may put others in their place
        result.published = sorted(good)
        result.n_contradicted = sum(map(bool, seconds))
        result.failures = list(self._failures.values())
        result.audio_s = sum(found.duration_s[id_] for id_ in good)
        result.speech_s = sum(chunk.speech_s for id_ in good for chunk in found.chunks[id_])
        result.n_chunks = sum(len(found.chunks[id_]) for id_ in good)
        return result

    def drop(self) -> None:
        """Frees the executors' disks."""
        with unhindered():
            for frame in self._kept:
                frame.unpersist()

    def _keep(self, frame: DataFrame) -> DataFrame:
        """On the executors' disks: it is read more than once."""
        self._kept.append(frame.persist(StorageLevel.DISK_ONLY))
        return frame

    def _step(self, what: str, pool: str = stages.FEEDING_POOL) -> AbstractContextManager[None]:
        return self._run.steps.step(self._name(what), pool)

    def _name(self, what: str) -> str:
        return f"wave {self._number}: {what}"

    def _run_segmentation(self, segmented: DataFrame) -> _Segmented:
        columns = ["recording_id", "kind", "channel", "idx", "speech_s", "duration_s"]
        found = _Segmented({}, defaultdict(list), {})
        for row in segmented.select(*columns, _payload_of("failure", "cost", "segmentation")).collect():
            if row.kind == "chunk":
                found.chunks[row.recording_id].append(rows.place(row))
            elif row.kind == "segmentation":
                found.duration_s[row.recording_id] = row.duration_s
                found.segmentations[row.recording_id] = {name: row[name] for name in rows.PAYLOAD.names}
            elif row.kind == "failure":
                self._fail(rows.value(row))
            else:
                cost = rows.value(row)
                self._result.segment_task_s += cost.task_s
                self._hold(stages.FINDING, cost)
        for id_ in self._failures:  # some have chunks all the same
            found.chunks.pop(id_, None)
        return found

    def _assign(self, segmented: DataFrame, found: _Segmented) -> dict[str, assign.Assignment]:
        """Language and model of each recording that has not failed."""
        registry, config = self._run.registry, self._run.config
        votes = self._run_identification(segmented, found)
        assignments: dict[str, assign.Assignment] = {}
        for id_ in found.duration_s:
            if id_ in self._failures:
                continue
            assigned = assign.assign(self._recordings[id_], found.chunks[id_], votes[id_], registry, config)
            if isinstance(assigned, Failure):
                self._fail(assigned)
            else:
                assignments[id_] = assigned
        return assignments

    def _run_identification(
        self, segmented: DataFrame, found: _Segmented
    ) -> dict[str, dict[assign.Place, Vote]]:
        """The votes of each recording's chunks."""
        registry, config = self._run.registry, self._run.config
        voters = [
            chunk
            for id_, chunks in found.chunks.items()
            for chunk in assign.voters(self._recordings[id_], chunks, registry, config)
        ]
        votes: dict[str, dict[assign.Place, Vote]] = defaultdict(dict)
        if not voters:
            return votes
        with self._step(stages.IDENTIFYING, stages.IDENTIFYING_POOL):
            identified = stages.identified(self._run, segmented, voters).collect()
        for row in identified:
            if row.kind == "vote":
                votes[row.recording_id][row.channel, row.idx] = rows.value(row)
            elif row.kind == "failure":
                self._fail(rows.value(row))
            else:
                cost = rows.value(row)
                self._add_cost(cost, stages.IDENTIFYING)
                self._use(cost)
        return votes

    def _run_inference(self, decoded: DataFrame) -> None:
        """Verdicts, failures and costs are counted; the texts stay where they are."""
        result = self._result
        for row in decoded.select("kind", "status", _payload_of("failure", "cost")).collect():
            if row.kind == "decoded":
                result.n_repaired += row.status == Status.REPAIRED
                result.n_rejected += row.status == Status.REJECTED
            elif row.kind == "failure":
                self._fail(rows.value(row))
            else:
                cost = rows.value(row)
                self._add_cost(cost, stages.TRANSCRIBING)
                self._use(cost, cost.audio_s, cost.task_s - cost.load_s)
                result.encoded_s += cost.encoded_s
                result.chunk_audio_s += cost.audio_s
                result.devices.add(cost.device)
                if cost.device.startswith("cuda"):
                    result.gpu_busy_s[f"{cost.host} {cost.device}"] += cost.busy_s

    def _fail(self, failure: Failure) -> None:
        self._failures[failure.recording_id] = failure

    def _add_cost(self, cost: Cost, step: str) -> None:
        self._result.transcribe_task_s += cost.task_s - cost.load_s
        self._result.model_load_s += cost.load_s
        self._hold(step, cost)

    def _use(self, cost: Cost, audio_s: float = 0.0, task_s: float = 0.0) -> None:
        worker = f"{cost.host} {cost.pid}"
        self._result.uses.append(
            Use(cost.model or "", worker, cost.is_loaded, cost.load_s, cost.resident_bytes, audio_s, task_s)
        )

    def _hold(self, step: str, cost: Cost) -> None:
        ended_at = cost.began_at + cost.task_s
        self._result.held.append(Held(self._name(step), cost.task, cost.began_at, ended_at))

    def _write(self, decoded: DataFrame, assignments: dict[str, assign.Assignment]) -> list[WrittenFile]:
        if not assignments:
            return []
        known = [self._found.segmentations[id_] for id_ in assignments]
        known += [rows.of(self._assigned(self._recordings[id_], a), id_) for id_, a in assignments.items()]
        written = stages.written(self._run, known, decoded, assignments)
        return [WrittenFile(**row.asDict()) for row in written.collect()]

    def _assigned(self, recording: Recording, assignment: assign.Assignment) -> Assigned:
        run, entry = self._run, assignment.entry
        return Assigned(
            recording,
            assignment.spoken,
            assignment.votes,
            Provenance(
                entry.name,
                entry.version,
                entry.engine,
                run.rule.settings_hash(recording),
                run.id,
                run.started_at,
                run.pinned,
            ),
        )

    def _publish(self, files: list[WrittenFile], ids: set[str]) -> None:
        if sum(file.n_rows for file in files) != len(ids):
            raise PublishError(
                f"{len(ids)} recordings to publish, {sum(f.n_rows for f in files)} rows written"
            )
        if ids:
            spread = on_executors(self._run.spark)
            self._run.tables.publish_wave(self._run.id, self._number, files, ids, spread)


def _work(
    found: _Segmented, assignments: dict[str, assign.Assignment]
) -> list[tuple[ChunkPlace, str, Languages]]:
    """What is to be decoded: each chunk with its model and languages."""
    return [
        (chunk, assigned.entry.identity, Languages(assigned.stretches[chunk.channel, chunk.index]))
        for id_, assigned in assignments.items()
        for chunk in found.chunks[id_]
    ]


def _payload_of(*kinds: str) -> Column:
    """The payload of these kinds only: that of the others stays where it is."""
    return F.when(F.col("kind").isin(*kinds), F.col("payload")).alias("payload")
