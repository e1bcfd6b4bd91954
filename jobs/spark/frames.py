"""Rows of the driver as Spark frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession


def small_frame(spark: SparkSession, rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> DataFrame:
    """By way of Arrow: from a plain list Spark would start Python workers to convert it."""
    return spark.createDataFrame(pa.Table.from_pylist(list(rows), schema=schema))
