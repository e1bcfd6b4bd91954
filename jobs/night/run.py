"""One run of a job: what it works with, from its settings to its session; it never changes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property

from pyspark.sql import SparkSession

from jobs import session
from jobs.night.progress import Progress, note
from jobs.night.steps import Steps
from jobs.spark.profiles import Placement
from transcribe.config import Config
from transcribe.models.registry import Registry
from transcribe.storage.s3 import S3Options
from transcribe.tables.current import Rule
from transcribe.tables.tables import Tables


@dataclass(frozen=True)
class Run:
    id: str
    started_at: datetime
    config: Config
    registry: Registry
    s3: S3Options
    tables: Tables
    rule: Rule
    given_spark: SparkSession | None  # None: nothing has needed one yet
    job: str = "nightly"
    asked: str = ""  # for what, where it is not for all of an input
    timed_by: Tables | None = None  # whose runs tell how fast it may be; None: those of its own tables
    pinned: str | None = None  # why what it publishes stays as it is; None: it follows the settings
    unusable: dict[str, str] = field(default_factory=dict)  # model → why; known before the first wave

    @cached_property
    def spark(self) -> SparkSession:
        """Opened when first asked for, if none was given."""
        return self.given_spark or session.open(self.config)

    @cached_property
    def progress(self) -> Progress:
        return Progress(self.spark, self.steps, self.config.job.progress_s)

    @cached_property
    def steps(self) -> Steps:
        job = self.config.job
        return Steps(self.spark.sparkContext, job.stalled_s, job.stalled_limit_s, note)

    @cached_property
    def placement(self) -> Placement:
        return Placement.of(self.spark, self.config.spark.gpus_per_task)

    def past_speed(self) -> tuple[float, int]:
        """See ``Tables.past_speed``."""
        return (self.timed_by or self.tables).past_speed()


def new_id(started_at: datetime) -> str:
    return f"{started_at:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"


def now() -> datetime:
    return datetime.now(timezone.utc)
