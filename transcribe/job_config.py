"""Settings of a run of the job: what is published when, where bytes are, and Spark's own."""

from __future__ import annotations

from datetime import date as date_type
from typing import Any

from pydantic import Field, field_validator

from transcribe.section import Section


class JobConfig(Section):
    region: str | None = Field(default=None, description="region of recordings that name none")
    residency: str | None = Field(
        default=None, description="where these machines stand: the residency of the regions they may work for"
    )
    date: str | None = Field(default=None, description="YYYY-MM-DD; default: the file's own date")
    wave_audio_h: float = Field(default=20.0, gt=0, description="audio hours published as one unit")
    task_audio_s: float = Field(
        default=600.0,
        gt=0,
        description="work in one inference task: seconds of chunks, each counted 6 s longer than it is, "
        "fewer of a model that is measured to cost more",
    )
    max_failed_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="the run is bad if more fails of what was planned, or of what had not failed before",
    )
    min_failed: int = Field(
        default=3, ge=1, description="but fewer failures than this make it bad only if they are all there was"
    )
    allow_empty: bool = Field(
        default=False, description="an input that holds no recordings is a good night, not an error"
    )
    take_published_sources: bool = Field(
        default=False,
        description="transcribe a new id although its file is published under another one that the input"
        " does not list",
    )
    deliver: bool = Field(
        default=False, description="deliver to the services what has changed, when the run's waves are done"
    )
    allowed_roots: tuple[str, ...] = Field(
        default=(),
        description="folders and s3:// prefixes that recordings may lie in, links followed; empty: all",
    )
    max_redo_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="a run that would do more of the published recordings again, and more than 100 of them,"
        " stops before any work; --redo allows it once, 1 always",
    )
    progress_s: float = Field(
        default=30.0,
        gt=0,
        description="seconds between progress lines; in a night's log twice as long after each",
    )
    prices: str = Field(
        default="conf/prices.yaml", description="what a core and a GPU cost an hour, for reports"
    )
    stalled_s: float = Field(
        default=900.0, gt=0, description="a step of Spark's of which no task ends for so long is told of"
    )
    stalled_limit_s: float = Field(
        default=0.0,
        ge=0,
        description="and after so long it is cancelled, and what hangs fails as worker_hangs; 0: never",
    )

    @field_validator("date", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """YAML reads 2026-11-02 as a date of its own."""
        return value.isoformat() if isinstance(value, date_type) else value


class StorageConfig(Section):
    s3_endpoint_url: str | None = Field(
        default=None, description="of an S3-compatible server; default: the environment's, else AWS"
    )
    s3_region: str | None = Field(default=None, description="default: the environment's")


class SparkConfig(Section):
    master: str | None = Field(default=None, description="used when spark-submit has set none")
    conf: dict[str, str] = Field(default_factory=dict, description="any spark.* setting")
    gpus_per_task: float = Field(
        default=1.0,
        gt=0,
        description="GPUs that an inference task takes where executors have some; 0.5: two models on each",
    )
