"""The published tables as Spark frames."""

from __future__ import annotations

from typing import Any, Literal

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import ArrayType, DataType, StructField, StructType

from transcribe.storage.s3 import is_s3
from transcribe.tables.delta import KeyedTable
from transcribe.tables.tables import Tables

Name = Literal["transcripts", "failures", "runs"]


def read_table(spark: SparkSession, tables: Tables, name: Name) -> DataFrame:
    """A table with the documented columns, in their order and with their comments.

    One on S3 is read by Spark's own connector if it has one, else through the driver's memory.
    """
    return read(spark, getattr(tables, name))


def spark_schema(schema: pa.Schema) -> StructType:
    """An Arrow schema as Spark's, its comments too: ``DESCRIBE`` shows the columns'."""
    return _commented(from_arrow_schema(schema), schema)


def read(spark: SparkSession, table: KeyedTable) -> DataFrame:
    """The same of any table."""
    schema, files = spark_schema(table.schema), table.live_files()
    if not files:
        return spark.createDataFrame([], schema)
    scheme = _spark_scheme(spark, table.uri)
    if scheme is None:
        return spark.createDataFrame(table.rows(table.schema.names).cast(table.schema), schema)
    files = [scheme + uri.removeprefix("s3://") for uri in files]
    base = scheme + table.uri.removeprefix("s3://")
    frame = spark.read.schema(schema).option("basePath", base).parquet(*files)
    for name in table.partition_by:  # Spark takes each %XX of a folder's name for a Latin-1 character
        frame = frame.withColumn(name, F.decode(F.encode(name, "ISO-8859-1"), "UTF-8"))
    return frame.to(schema)


def _commented(struct: StructType, fields: pa.Schema | pa.StructType) -> StructType:
    return StructType(
        [
            StructField(one.name, _commented_type(one.dataType, field.type), one.nullable, _comment(field))
            for one, field in zip(struct, fields, strict=True)
        ]
    )


def _commented_type(type_: DataType, arrow: pa.DataType) -> DataType:
    if isinstance(type_, ArrayType):
        return ArrayType(_commented_type(type_.elementType, arrow.value_type), type_.containsNull)
    return _commented(type_, arrow) if isinstance(type_, StructType) else type_


def _comment(field: pa.Field) -> dict[str, str]:
    meaning = (field.metadata or {}).get(b"comment")
    return {"comment": meaning.decode()} if meaning else {}


def _spark_scheme(spark: SparkSession, uri: str) -> str | None:
    """What this Spark puts before a local path or a bucket; None if it has no S3 connector."""
    if not is_s3(uri):
        return "file://"
    jvm: Any = spark.sparkContext._jvm
    hadoop = jvm.org.apache.hadoop.fs.FileSystem
    for scheme in ("s3a", "s3"):
        try:
            hadoop.getFileSystemClass(scheme, spark.sparkContext._jsc.hadoopConfiguration())
            return f"{scheme}://"
        except Py4JJavaError:
            continue
    return None
