"""The published tables and their flat views under names that `spark.sql` knows, for this session."""

from __future__ import annotations

from typing import get_args

from pyspark.sql import SparkSession

from jobs.spark.read import Name, read_table
from transcribe.storage.s3 import S3Options
from transcribe.tables.tables import Tables
from transcribe.tables.views import statements


def create_views(spark: SparkSession, output: str, s3: S3Options | None = None) -> None:
    """Temporary views: ``transcripts``, ``failures``, ``runs``, and those of ``transcribe/tables/views.py``.

    They show the tables as they are now: call it again after the next night. Columns keep their comments.
    Raises ConfigError or PublishError for tables that cannot be read.
    """
    tables = Tables(output, s3 or S3Options())
    for name in get_args(Name):
        read_table(spark, tables, name).createOrReplaceTempView(name)
    for statement in statements("spark", "transcripts", temporary=True):
        spark.sql(statement)
