"""Table files written again by the executors, where the driver alone would take long."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import SparkSession

from transcribe.tables.log import LiveFile
from transcribe.tables.parquet import WrittenFile
from transcribe.tables.rewrite import Rewrite, Spread, by_threads

FEW_FILES = 64
"""So many are done by the driver's threads before Spark has begun."""


def on_executors(spark: SparkSession) -> Spread:
    """Raises what Spark raises; ``errors.faults_told`` finds a ``PublishError`` in it."""

    def spread(rewrite: Rewrite, files: Sequence[LiveFile]) -> list[WrittenFile | None]:
        if len(files) <= FEW_FILES:
            return by_threads(rewrite, files)
        context = spark.sparkContext
        n_tasks = min(len(files), 4 * context.defaultParallelism)
        return context.parallelize(files, n_tasks).map(rewrite).collect()

    return spread
