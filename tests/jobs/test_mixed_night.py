"""A night whose routes lead to models of four kinds: Whisper base, tiny.en, Moonshine, audio LLMs.

The workers have room for one of them at a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml
from audio_llm_fixtures import PROMPT, entry_of, qwen2_audio
from core_fixtures import texts
from heard_fixtures import assert_is
from nightly_fixtures import broken_invariants, clip, current, write_manifest
from torch_fixtures import needed

from jobs import nightly
from transcribe.evaluate.word_error import ErrorCount, count_errors
from transcribe.layers import CONF

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

needed("transformers")
pytestmark = [pytest.mark.torch, pytest.mark.weights, pytest.mark.spark]

ROUTES = {"us": "tiny.en", "uk": "moonshine-tiny-en", "lab": "llm", "shed": "llm-untimed"}
CLIPS = {
    **{"us": "call_agent_1", "uk": "call_caller_1", "eu": "fr_delivery"},
    **{"lab": "call_agent_1", "shed": "call_agent_1"},
}
SAID = texts()["call_agent_1"][1]


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """The shipped models, English ones in production for a region each; two that always answer ``SAID``."""
    weights = qwen2_audio(tmp_path / "llm", ["Speech:", *SAID.split()])
    traits = {"prompt": PROMPT, "answer": "Speech: (?P<text>.*)"}
    added = {
        "llm": entry_of(weights, traits=traits, align_with=["base-torch"]),
        "llm-untimed": entry_of(weights, traits=traits),
    }
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "llm.yaml").write_text(yaml.safe_dump({"models": added}))
    for file in (CONF / "models").glob("*.yaml"):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        for name in set(ROUTES.values()) & set(content.get("models", {})):
            content["models"][name]["stage"] = "production"
        if "routes" in content:
            content["routes"] = [{"language": "en", "region": r, "model": m} for r, m in ROUTES.items()]
        (folder / file.name).write_text(yaml.safe_dump(content))
    return folder


def test_each_recording_is_heard_by_its_routes_model(
    spark: SparkSession, registry: Path, tmp_path: Path
) -> None:
    rows = [
        {"uri": str(clip(name, tmp_path / f"{region}.wav")), "region": region, "language": texts()[name][0]}
        for region, name in CLIPS.items()
    ]
    manifest = write_manifest(tmp_path / "manifest.jsonl", rows)
    settings = {"models": str(registry), "engines.max_memory_gb": 0.001}
    report = nightly.run(spark, input=str(manifest), output=str(tmp_path / "out"), overrides=settings)
    assert (report.n_published, report.verdict) == (5, "good"), str(report)
    found = {row["region"]: row for row in current(tmp_path / "out", "transcripts").values()}
    models = {region: (row["model"], row["engine"]) for region, row in found.items()}
    routed = {
        "us": ("tiny.en", "ctranslate2"),
        "uk": ("moonshine-tiny-en", "seq2seq"),
        "eu": ("base", "ctranslate2"),
        "lab": ("llm", "audio_llm"),
        "shed": ("llm-untimed", "audio_llm"),
    }
    assert_is(models, routed, "routes decide")
    loads = {one.model: one.n_loads for one in report.models}
    assert loads == {**dict.fromkeys(ROUTES.values(), 1), "base": 2}, "base checks hints first"
    errors = ErrorCount()
    for region, name in CLIPS.items():
        errors += count_errors(texts()[name][1], found[region]["text"], texts()[name][0])
    assert errors.rate < 0.08
    assert broken_invariants(tmp_path / "out") == []
    assert_is([found[region]["text"] for region in ("lab", "shed")], [SAID] * 2, "the model says only this")
    by_llm, by_whisper = (
        np.array(
            [word["start_s"] for utterance in found[region]["utterances"] for word in utterance["words"]]
        )
        for region in ("lab", "us")
    )
    assert np.median(abs(by_llm - by_whisper)) < 0.2  # by the attention of base, and of tiny.en
    untimed = found["shed"]
    assert all(not utterance["words"] for utterance in untimed["utterances"])
    assert untimed["coverage"]["covered_s"] == untimed["coverage"]["speech_s"] > 2
