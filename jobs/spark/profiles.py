"""Where inference runs: on the executors' GPUs alone, while all other stages use every core."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pyspark.resource import ResourceProfile, ResourceProfileBuilder, TaskResourceRequests
from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Placement:
    """Of inference tasks. ``profile`` None: they run where all others do."""

    profile: ResourceProfile | None
    n_slots: int  # tasks at a time

    @staticmethod
    def of(spark: SparkSession, gpus_per_task: float) -> Placement:
        """By the session's settings: ``spark.executor.resource.gpu.amount`` says that there are GPUs.

        Where ``spark.task.resource.gpu.amount`` is set, too, every stage waits for GPUs: Spark is then
        obeyed. Executors that have not registered yet are not counted.
        """
        context, told = spark.sparkContext, spark.sparkContext.getConf()
        gpus = int(told.get("spark.executor.resource.gpu.amount", "0") or 0)
        if (
            not gpus
            or (context.master or "").startswith("local")
            or told.contains("spark.task.resource.gpu.amount")
        ):
            return Placement(None, context.defaultParallelism)
        asked = TaskResourceRequests().cpus(1).resource("gpu", gpus_per_task)
        profile = ResourceProfileBuilder().require(asked).build
        n_executors = max(1, context._jsc.sc().getExecutorMemoryStatus().size() - 1)  # and the driver
        return Placement(profile, max(1, math.floor(n_executors * gpus / gpus_per_task)))
