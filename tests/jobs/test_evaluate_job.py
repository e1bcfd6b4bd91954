"""The evaluation job on Spark: a night into a folder of its own, and the same counts as without Spark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nightly_fixtures import clip, settings, write_registry
from pyspark.sql import SparkSession

from jobs import evaluate
from transcribe.evaluate.__main__ import main
from transcribe.evaluate.results import EVALUATIONS, Results
from transcribe.storage.s3 import S3Options

pytestmark = pytest.mark.spark


def test_spark_and_the_library_give_the_same_rows(tmp_path: Path, spark: SparkSession) -> None:
    clip("call_agent_1", tmp_path / "greeting.ogg")
    rows = [
        {"uri": "greeting.ogg", "language": "en", "region": "uk", "reference_text": "0 7919 now"},
        {"uri": "gone.wav", "language": "en", "reference_text": "hello"},
    ]
    references = tmp_path / "references.jsonl"
    references.write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = [f"{key}={value}" for key, value in settings(write_registry(tmp_path)).items()]
    output = tmp_path / "out"
    found = evaluate.run(
        spark, references=str(references), output=str(output), systems=["fake"], overrides=told
    )
    by_spark = Results(str(output), S3Options()).run("latest")[0]
    figures = found.summary["fake"]
    assert figures["speed"]["place"] == "spark" and figures["speed"]["rtfx"] > 0
    assert (figures["groups"]["over all"]["n_failed"], figures["groups"]["over all"]["n_scored"]) == (1, 1)
    options = [f"--references={references}", f"--output={output}", "--system=fake", "--baseline=latest"]
    assert main([*options, *(f"--set={one}" for one in told)]) == 0
    by_library = Results(str(output), S3Options()).run("latest")[0]
    same = [name for name in EVALUATIONS.names if name not in ("run_id", "created_at")]

    def comparable(rows: list) -> list:
        return sorted(([row[name] for name in same] for row in rows), key=str)

    assert comparable(by_spark) == comparable(by_library)
    assert not (output / "transcripts").exists(), "published tables are another folder's"
