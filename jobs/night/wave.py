"""One wave: some recordings through all stages, published in one commit.

    segment ─▶ (identify) ─▶ transcribe ─▶ merge ─▶ write ─▶ commit

Between stages the driver sees numbers only (which chunks there are, how long, in which language),
never audio: chunks wait on the executors' disks until they are balanced by audio seconds.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from jobs.night.balance import balance, partition_keys
from jobs.night.run import Run
from jobs.spark.frames import small_frame
from jobs.spark.read import spark_schema
from transcribe.decoding import identify as language
from transcribe.errors import PublishError
from transcribe.payload import dump, parse
from transcribe.tables.parquet import WRITTEN_FILE_DDL, WrittenFile, write_partitioned
from transcribe.tables.publication import stamped
from transcribe.tables.schemas import TRANSCRIPT_PARTITIONS, TRANSCRIPTS
from transcribe.types import Failure, LanguageScores, Recording
from udfs.merge import Assignment, merge_group
from udfs.segment import SEGMENTED, segment
from udfs.transcribe import DECODED, IDENTIFIED, identify, transcribe

PLANNED = pa.schema([("payload", pa.string())])
KNOWN = pa.schema([("recording_id", pa.string()), ("kind", pa.string()), ("payload", pa.string())])
PLACE = pa.schema([("recording_id", pa.string()), ("channel", pa.int32()), ("idx", pa.int32())])
PLACEMENT = pa.schema([*PLACE, ("model", pa.string()), ("language", pa.string()), ("key", pa.int64())])

Channel = tuple[str, int]
"""(recording_id, channel)"""


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
    segment_task_s: float = 0.0
    transcribe_task_s: float = 0.0
    model_load_s: float = 0.0
    encoded_s: float = 0.0
    chunk_audio_s: float = 0.0
    devices: set[str] = field(default_factory=set)

    def add(self, other: WaveResult) -> None:
        """Everything here is a sum."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            setattr(self, name, mine | value if isinstance(mine, set) else mine + value)


@dataclass(frozen=True)
class _Heard:
    """What the driver knows after segmentation, without the recordings that have failed."""

    duration_s: dict[str, float]
    chunks: list[Row]  # recording_id, channel, idx, speech_s, duration_s


class Wave:
    """Used once."""

    def __init__(self, context: Run, recordings: Sequence[Recording], number: str) -> None:
        self._context = context
        self._spark: SparkSession = context.spark
        self._recordings = {r.recording_id: r for r in recordings}
        self._number = number
        self._failures: dict[str, Failure] = {}
        self._result = WaveResult()

    def run(self) -> WaveResult:
        """Process and publish. Raises what Spark raises when a task has failed for good: then nothing of
        the wave is published."""
        self._context.progress.wave_started(self._number)
        segmented = self._segmented().persist(StorageLevel.DISK_ONLY)
        try:
            heard = self._hear(segmented)
            assignments, languages = self._assign(segmented, heard)
            decoded = self._decoded(segmented, heard, assignments, languages)
            decoded.persist(StorageLevel.DISK_ONLY)
            try:
                self._count(decoded)
                good = {id_: a for id_, a in assignments.items() if id_ not in self._failures}
                files = self._write(segmented, decoded, good)
                self._publish(files, set(good))
            finally:
                decoded.unpersist()
        finally:
            segmented.unpersist()
        result = self._result
        result.published = sorted(good)
        result.failures = list(self._failures.values())
        result.audio_s = sum(heard.duration_s[id_] for id_ in good)
        result.speech_s = sum(c.speech_s for c in heard.chunks if c.recording_id in good)
        result.n_chunks = sum(c.recording_id in good for c in heard.chunks)
        return result

    def _segmented(self) -> DataFrame:
        rows = [(dump(recording),) for recording in self._recordings.values()]
        n_tasks = min(len(rows), 8 * self._spark.sparkContext.defaultParallelism)
        planned = small_frame(self._spark, rows, PLANNED).repartition(n_tasks)
        return planned.mapInPandas(segment(self._context.config, self._context.s3), SEGMENTED)

    def _hear(self, segmented: DataFrame) -> _Heard:
        columns = ["recording_id", "kind", "channel", "idx", "speech_s", "duration_s"]
        is_failure = F.col("kind") == "failure"
        rows = segmented.select(*columns, F.when(is_failure, F.col("payload")).alias("failure")).collect()
        self._failures.update(
            (r.recording_id, parse(Failure, r.failure)) for r in rows if r.kind == "failure"
        )
        good = [r for r in rows if r.recording_id not in self._failures]
        heard = _Heard(
            {r.recording_id: r.duration_s for r in good if r.kind == "heard"},
            [r for r in good if r.kind == "chunk"],
        )
        self._result.segment_task_s = sum(r.duration_s for r in rows if r.kind == "stats")
        self._context.progress.wave_heard(
            self._number, sum(heard.duration_s.values()), sum(chunk.duration_s for chunk in heard.chunks)
        )
        return heard

    def _assign(
        self, segmented: DataFrame, heard: _Heard
    ) -> tuple[dict[str, Assignment], dict[Channel, str]]:
        """Language and model of each recording; the language of each channel."""
        voted = self._vote(segmented, heard)
        chunks_of: dict[str, list[Row]] = defaultdict(list)
        for chunk in heard.chunks:
            chunks_of[chunk.recording_id].append(chunk)
        assignments: dict[str, Assignment] = {}
        languages: dict[Channel, str] = {}
        for id_ in (id_ for id_ in heard.duration_s if id_ not in self._failures):
            recording = self._recordings[id_]
            spoken = language.speech_by_channel((c.channel, c.speech_s) for c in chunks_of[id_])
            of_channel, code, prob, source = language.decide(
                self._context.usable_hint(recording), voted[id_], spoken, self._context.config.language
            )
            assigned = self._context.assign(recording, code, prob, source)
            if isinstance(assigned, Failure):
                self._failures[id_] = assigned
            else:
                assignments[id_] = assigned
                languages.update({(id_, channel): code for channel, code in of_channel.items()})
        return assignments, languages

    def _vote(self, segmented: DataFrame, heard: _Heard) -> dict[str, dict[int, tuple[str, float]]]:
        """Language and probability of every channel whose recording has no usable hint."""
        config = self._context.config.language
        by_channel: dict[Channel, dict[int, float]] = defaultdict(dict)
        for chunk in heard.chunks:
            if self._context.usable_hint(self._recordings[chunk.recording_id]) is None:
                by_channel[chunk.recording_id, chunk.channel][chunk.idx] = chunk.speech_s
        chosen = [
            (id_, channel, idx)
            for (id_, channel), speech_s in by_channel.items()
            for idx in language.choose_chunks(speech_s, config)
        ]
        voted: dict[str, dict[int, tuple[str, float]]] = defaultdict(dict)
        if not chosen:
            return voted
        voters = small_frame(self._spark, chosen, PLACE)
        n_tasks = min(len(chosen), 2 * self._spark.sparkContext.defaultParallelism)
        chunks = segmented.where("kind = 'chunk'").join(
            F.broadcast(voters), ["recording_id", "channel", "idx"]
        )
        chunks = chunks.withColumns({"model": F.lit(config.model), "language": F.lit("")})
        identified = chunks.repartition(n_tasks).mapInPandas(
            identify(self._context.registry.get(config.model), self._context.config), IDENTIFIED
        )
        votes: dict[Channel, list[tuple[LanguageScores, float]]] = defaultdict(list)
        for row in sorted(identified.collect(), key=lambda r: (r.recording_id, r.channel, r.idx)):
            if row.kind == "scores":
                ballot = parse(LanguageScores, row.payload), row.speech_s
                votes[row.recording_id, row.channel].append(ballot)
            elif row.kind == "failure":
                self._failures[row.recording_id] = parse(Failure, row.payload)
            else:
                self._add_cost(json.loads(row.payload))
        for (id_, channel), ballots in votes.items():
            voted[id_][channel] = language.vote(ballots, config)
        return voted

    def _decoded(
        self,
        segmented: DataFrame,
        heard: _Heard,
        assignments: dict[str, Assignment],
        languages: dict[Channel, str],
    ) -> DataFrame:
        """Chunks of all recordings together, balanced over tasks by audio seconds, one model a task."""
        work = [
            (c.recording_id, c.channel, c.idx, assignments[c.recording_id].model, c.duration_s)
            for c in heard.chunks
            if c.recording_id in assignments
        ]
        if not work:
            return self._spark.createDataFrame([], DECODED)
        config = self._context.config
        bins = balance(
            [(model, duration_s) for *_, model, duration_s in work],
            config.job.task_audio_s,
            self._spark.sparkContext.defaultParallelism,
        )
        keys = partition_keys(max(bins) + 1)
        placed = [
            (id_, channel, idx, model, languages[id_, channel], keys[bin_])
            for (id_, channel, idx, model, _), bin_ in zip(work, bins, strict=True)
        ]
        placement = small_frame(self._spark, placed, PLACEMENT)
        chunks = segmented.where("kind = 'chunk'").select("recording_id", "channel", "idx", "payload", "pcm")
        entries = {name: self._context.registry.get(name) for name in {item[3] for item in work}}
        return (
            chunks.join(F.broadcast(placement), ["recording_id", "channel", "idx"])
            .repartition(max(bins) + 1, "key")
            .sortWithinPartitions("recording_id", "channel", "idx")
            .mapInPandas(transcribe(entries, config, self._context.progress.decoded_s), DECODED)
        )

    def _count(self, decoded: DataFrame) -> None:
        """Run inference; count verdicts and costs."""
        is_text = F.col("kind").isin("failure", "stats")
        rows = decoded.select("kind", "status", F.when(is_text, F.col("payload")).alias("payload")).collect()
        result = self._result
        for row in rows:
            result.n_repaired += row.status == "repaired"
            result.n_rejected += row.status == "rejected"
            if row.kind == "failure":
                failure = parse(Failure, row.payload)
                self._failures[failure.recording_id] = failure
            elif row.kind == "stats":
                stats = json.loads(row.payload)
                self._add_cost(stats)
                result.encoded_s += stats["encoded_s"]
                result.chunk_audio_s += stats["audio_s"]
                result.devices.add(stats["device"])

    def _add_cost(self, stats: dict[str, float]) -> None:
        self._result.transcribe_task_s += stats["task_s"] - stats["load_s"]
        self._result.model_load_s += stats["load_s"]

    def _write(
        self, segmented: DataFrame, decoded: DataFrame, assignments: dict[str, Assignment]
    ) -> list[WrittenFile]:
        """Merge each recording's chunks and write the rows; nothing is visible yet."""
        if not assignments:
            return []
        rows = [(id_, "assigned", dump(assignment)) for id_, assignment in assignments.items()]
        assigned = small_frame(self._spark, rows, KNOWN)
        heard = segmented.where("kind = 'heard'").select(KNOWN.names)
        texts = decoded.where("kind = 'decoded'").select(KNOWN.names)
        known = assigned.select("recording_id")
        merged = (
            heard.union(texts)
            .join(F.broadcast(known), "recording_id")
            .union(assigned)
            .groupBy("recording_id")
            .applyInArrow(merge_group, spark_schema(TRANSCRIPTS))
        )
        uri, s3 = self._context.tables.transcripts.uri, self._context.s3
        published_at = self._context.tables.next_published_at()

        def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            return write_partitioned(
                stamped(batches, published_at), uri, TRANSCRIPTS, TRANSCRIPT_PARTITIONS, s3
            )

        n_files = max(1, len(assignments) // 1000)
        written = merged.repartition(n_files, *TRANSCRIPT_PARTITIONS).mapInArrow(write, WRITTEN_FILE_DDL)
        return [WrittenFile(**row.asDict()) for row in written.collect()]

    def _publish(self, files: list[WrittenFile], ids: set[str]) -> None:
        if sum(file.n_rows for file in files) != len(ids):
            raise PublishError(
                f"{len(ids)} recordings to publish, {sum(f.n_rows for f in files)} rows written"
            )
        if ids:
            self._context.tables.publish_wave(self._context.id, self._number, files, ids)
