"""What every wave of one run shares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import SparkSession

from jobs.night.plan import Plan
from jobs.night.progress import Progress
from transcribe.config import Config
from transcribe.errors import LanguageError, failure
from transcribe.models.registry import Registry
from transcribe.storage.s3 import S3Options
from transcribe.tables.tables import Tables
from transcribe.text.script import script_of
from transcribe.types import Failure, LanguageSource, Recording
from udfs.merge import Assignment


@dataclass(frozen=True)
class RunContext:
    run_id: str
    spark: SparkSession
    config: Config
    registry: Registry
    tables: Tables
    s3: S3Options
    plan: Plan
    progress: Progress
    started_at: datetime

    def usable_hint(self, recording: Recording) -> str | None:
        return self.registry.usable_hint(recording, self.config.model)

    def assign(
        self, recording: Recording, language: str, prob: float, source: LanguageSource
    ) -> Assignment | Failure:
        """Route a recording whose language is known (``und`` when it holds no speech)."""
        try:
            entry = self.registry.entry_for(recording, language, self.config.model)
        except LanguageError as error:
            return failure(recording.recording_id, error, "plan")
        return Assignment(
            recording,
            language,
            prob,
            source,
            entry.name,
            entry.revision,
            entry.engine,
            self.plan.fingerprints[recording.recording_id],
            self.run_id,
            self.started_at,
            script_of(recording, self.config.language.chinese_script),
        )
