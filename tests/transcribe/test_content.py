"""What the settings hash notices: all that can change a text, and nothing else."""

from __future__ import annotations

from operator import attrgetter

import pytest
from pydantic import BaseModel

from transcribe import content
from transcribe.config import Config, load
from transcribe.content import settings_hash
from transcribe.errors import ConfigError

NO_CONTENT = ("job", "storage", "spark")
SPEED = {"engines.ctranslate2.encoder", "audio.block_s", "decode.threads", "decode.batch_s", "decode.device"}
LIMITS = {"audio.decoder_memory_gb", "audio.decoder_timeout_s", "engines.max_memory_gb"}

IDENTIFICATION = {
    f"language.{name}"
    for name in (
        *("model", "n_chunks", "min_prob", "allowed"),
        *("min_recording_prob", "fallback_model", "prior"),
    )
}
OTHER_VALUES = {
    "audio.channels": "mix",
    "audio.headerless": {".vox": {"format": "s16le", "sample_rate": 8000}},
    "language.model": "other",
    "language.allowed": ["en"],
    "language.mode": "segment",
    "language.min_recording_prob": 0.5,
    "language.fallback_model": "large-v3",
    "language.prior": {"da": 5},
    "language.chinese_script": "traditional",
    "alignment.second": "hmm",
    "decode.device": "cuda",
    "decode.compute_type": "float32",
    "engines.ctranslate2.encoder": "ctranslate2",
}


def settings(section: type[BaseModel] = Config, prefix: str = "") -> list[str]:
    """Keys of all that lies in a section."""
    keys = []
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys += settings(inner, f"{prefix}{name}.")
        elif prefix:
            keys.append(f"{prefix}{name}")
    return keys


def _changed(key: str) -> Config:
    value = attrgetter(key)(Config())
    if key in OTHER_VALUES:
        return load([], {key: OTHER_VALUES[key]})
    if isinstance(value, bool):
        return load([], {key: not value})
    for factor in (0.9, 1.1):  # one of them is within the limits
        try:
            return load([], {key: type(value)(value * factor) if value * factor != value else 1})
        except ConfigError:
            continue
    raise AssertionError(f"give {key} a value in OTHER_VALUES")


@pytest.mark.parametrize("key", [key for key in settings() if key.split(".")[0] not in NO_CONTENT])
def test_a_setting_that_can_change_a_text_is_noticed_and_no_other(key):
    changed = _changed(key)
    assert changed != Config()
    same = settings_hash(changed, "base@1", None) == settings_hash(Config(), "base@1", None)
    assert same == (key in SPEED | LIMITS)
    hinted = settings_hash(changed, None, "en") == settings_hash(Config(), None, "en")
    assert hinted == (key in SPEED | LIMITS | IDENTIFICATION), (
        "a hint says the language, nobody identifies it"
    )


def test_the_identifying_model_and_each_hint_are_noticed():
    variants = [("base@1", None, "auto"), ("base@2", None, "auto"), (None, "en", "auto"), (None, "en", "0")]
    found = {settings_hash(Config(), *variant) for variant in variants}
    assert len(found) == 4 and all(len(one) == 16 and int(one, 16) >= 0 for one in found)


def test_the_job_and_the_models_are_no_business_of_it():
    job = load([], ["job.wave_audio_h=1", "storage.s3_region=eu", "spark.master=local[2]", "models=x.yaml"])
    assert settings_hash(job, None) == settings_hash(Config(), None)
    assert settings_hash(load([], ["model=tiny.en"]), None) == settings_hash(Config(), None)


def test_values_count_and_not_their_spelling():
    assert settings_hash(load([], {"chunk.max_s": 20}), None) == settings_hash(
        load([], ["chunk.max_s=20.0", "chunk.pad_ms=300"]), None
    )


def test_another_vad_network_is_noticed(monkeypatch):
    other = content.VAD_NETWORK.model_copy(update={"files": {"silero_vad_v7.onnx": "0" * 64}})
    before = settings_hash(Config(), None)
    monkeypatch.setattr(content, "VAD_NETWORK", other)
    assert settings_hash(Config(), None) != before


def test_only_a_raised_content_version_makes_a_release_matter(monkeypatch):
    before = settings_hash(Config(), None)
    monkeypatch.setattr("transcribe.__version__", "99.0")
    assert settings_hash(Config(), None) == before
    monkeypatch.setattr(content, "CONTENT_VERSION", content.CONTENT_VERSION + 1)
    assert settings_hash(Config(), None) != before


def test_each_content_version_says_why_it_was_raised():
    """The lines stand in the source below the number, newest last."""
    source = content.__loader__.get_source(content.__name__)
    history = [line.split(":")[0] for line in source.splitlines() if line[:1].isdigit()]
    assert history == [str(n + 1) for n in range(content.CONTENT_VERSION)]
