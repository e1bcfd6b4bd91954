"""A wave's stages as Spark frames: which rows go to which task. Nothing runs before a frame is collected."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.night.balance import balance, partition_keys, relative_costs, work_s
from jobs.night.run import Run
from jobs.spark.frames import small_frame
from jobs.spark.read import spark_schema
from transcribe.models.registry import ModelEntry
from transcribe.tables.parquet import WRITTEN_FILE_DDL, write_partitioned
from transcribe.tables.publication import stamped
from transcribe.tables.schemas import TRANSCRIPT_PARTITIONS, TRANSCRIPTS
from transcribe.types import Recording, dump
from udfs import rows
from udfs.merge import merge_group
from udfs.rows import DECODED, IDENTIFIED, PAYLOAD, PLACE, PLACEMENT, SEGMENTED, ChunkPlace, Languages, Row
from udfs.segment import segment
from udfs.transcribe import identify, transcribe

FEEDING_POOL, IDENTIFYING_POOL, INFERENCE_POOL = "feeding", "identifying", "inference"
"""Of Spark's scheduler, where it is FAIR: the pool with fewer tasks is served first. So the GPUs' are before
the cores', and what the next wave waits for is not behind all of this one."""

FINDING, IDENTIFYING, TRANSCRIBING = "finding speech", "identifying languages", "transcribing"
"""Steps whose tasks tell what they cost."""

_IDS = pa.schema([PAYLOAD.field("recording_id")])


def segmented(run: Run, recordings: Sequence[Recording]) -> DataFrame:
    n_tasks = min(len(recordings), 4 * run.spark.sparkContext.defaultParallelism)
    planned = small_frame(run.spark, map(rows.of, recordings), PAYLOAD).repartition(n_tasks)
    return planned.mapInPandas(segment(run.config, run.s3), spark_schema(SEGMENTED))


def identified(run: Run, segmented: DataFrame, chunks: Sequence[ChunkPlace]) -> DataFrame:
    """The votes of one or more chunks."""
    name = run.config.language.model
    wanted = small_frame(run.spark, map(rows.of_place, chunks), PLACE)
    n_tasks = min(len(chunks), 2 * run.placement.n_slots)
    return (
        segmented.where("kind = 'chunk'")
        .join(F.broadcast(wanted), PLACE.names)
        .withColumns({"model": F.lit(name), "languages": F.lit(None).cast("string")})
        .repartition(n_tasks)
        .mapInPandas(
            identify(run.registry.get(name), run.config),
            spark_schema(IDENTIFIED),
            profile=run.placement.profile,
        )
    )


def decoded(
    run: Run,
    segmented: DataFrame,
    work: Sequence[tuple[ChunkPlace, str, Languages]],
    entries: Mapping[str, ModelEntry],
) -> DataFrame:
    """Chunks of all recordings together, each with its model (of ``entries``) and languages: balanced over
    tasks by audio seconds and what they cost the model, one model a task."""
    if not work:
        return small_frame(run.spark, [], DECODED)
    costs = relative_costs(entries)
    bins = balance(
        [(model, work_s(chunk.duration_s, costs[model])) for chunk, model, _ in work],
        run.config.job.task_audio_s,
        run.placement.n_slots,
    )
    n_tasks = max(bins) + 1
    keys = partition_keys(n_tasks)
    placed = [
        {**rows.of_place(chunk), "model": model, "languages": dump(languages), "key": keys[bin_]}
        for (chunk, model, languages), bin_ in zip(work, bins, strict=True)
    ]
    placement = small_frame(run.spark, placed, PLACEMENT)
    decoded = (
        segmented.where("kind = 'chunk'")
        .select(*PLACE.names, "kind", "payload", "pcm")
        .join(F.broadcast(placement), PLACE.names)
        .repartition(n_tasks, "key")
        .sortWithinPartitions(*PLACE.names)
        .mapInPandas(
            transcribe(entries, run.config, run.progress.decoded_s),
            spark_schema(DECODED),
            profile=run.placement.profile,
        )
    )
    if run.placement.profile:  # else a stage that reads what is kept of it waits for GPUs, too
        decoded = decoded.repartition(n_tasks, "recording_id")
    return decoded


def written(run: Run, known: Iterable[Row], decoded: DataFrame, ids: Collection[str]) -> DataFrame:
    """Each recording's chunks merged into its row, and the rows in files; nothing is visible yet.

    ``known``: of each of these recordings, its segmentation and what it is assigned; ``decoded`` may hold
    others, too, which have failed.
    """
    wanted = small_frame(run.spark, ({"recording_id": id_} for id_ in ids), _IDS)
    texts = decoded.where("kind = 'decoded'").select(PAYLOAD.names)
    n_tasks = min(max(1, len(ids)), 2 * run.spark.sparkContext.defaultParallelism)
    merged = (
        texts.join(F.broadcast(wanted), "recording_id")
        .union(small_frame(run.spark, known, PAYLOAD))
        .repartition(n_tasks, "recording_id")
        .groupBy("recording_id")
        .applyInArrow(merge_group(run.config), spark_schema(TRANSCRIPTS))
    )
    uri, s3 = run.tables.transcripts.uri, run.s3
    published_at = run.tables.next_published_at()

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return write_partitioned(stamped(batches, published_at), uri, TRANSCRIPTS, TRANSCRIPT_PARTITIONS, s3)

    n_files = max(1, len(ids) // 1000)
    return merged.repartition(n_files, *TRANSCRIPT_PARTITIONS).mapInArrow(write, WRITTEN_FILE_DDL)
