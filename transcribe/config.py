"""All settings as pydantic models, loaded from layered YAML files and ``key=value`` overrides.

Whatever is wrong (an unknown key, a value out of range) becomes a ``ConfigError`` that names the
key, the value and the remedy.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from transcribe.job_config import JobConfig, SparkConfig, StorageConfig
from transcribe.layers import merged
from transcribe.section import LanguageCode, Section, explained


class HeaderlessConfig(Section):
    """How to read files of one extension that carry no header."""

    format: str = Field(description="FFmpeg demuxer: alaw, mulaw, s16le, gsm, ...")
    sample_rate: int = Field(gt=0, description="samples a second")
    n_channels: int = Field(default=1, gt=0, description="interleaved")


class AudioConfig(Section):
    channels: str = Field(
        default="auto",
        pattern=r"^(auto|mix|each|\d+(,\d+)*)$",
        description="auto (two sides of a call each, one scene once), mix, each, or indices such as 0,1",
    )
    block_s: float = Field(default=30.0, gt=0, le=600, description="seconds of audio decoded at a time")
    decoder_memory_gb: float = Field(
        default=1.0,
        ge=0.25,
        description="a recording whose decoding allocates more fails as too_large (Linux)",
    )
    decoder_timeout_s: float = Field(
        default=120.0,
        gt=0,
        description="a decoder that takes longer for a block, or for all by so much longer than the audio "
        "plays, fails as decoder_timeout",
    )
    headerless: dict[str, HeaderlessConfig] = Field(
        default_factory=lambda: {
            ".alaw": HeaderlessConfig(format="alaw", sample_rate=8000),
            ".ulaw": HeaderlessConfig(format="mulaw", sample_rate=8000),
            ".gsm": HeaderlessConfig(format="gsm", sample_rate=8000),
        },
        description="extension → format of files without a header",
    )


class VadConfig(Section):
    threshold: float = Field(default=0.5, gt=0, lt=1, description="speech starts at this probability")
    neg_threshold: float = Field(
        default=0.35,
        gt=0,
        lt=1,
        description="and may end below this one, or below vad.threshold if that is lower",
    )
    min_speech_ms: int = Field(default=100, ge=0, description="shorter segments are noise")
    min_silence_ms: int = Field(default=160, ge=32, description="a pause that ends a segment")
    max_segment_s: float = Field(
        default=15.0, gt=1, description="longer segments are cut, least speech first"
    )

    @model_validator(mode="after")
    def _ends_below_its_start(self) -> VadConfig:
        if "neg_threshold" in self.model_fields_set and self.neg_threshold > self.threshold:
            raise ValueError(f"neg_threshold must not exceed threshold ({self.threshold})")
        return self


class ChunkConfig(Section):
    max_s: float = Field(default=22.0, gt=1, le=30, description="longest model input")
    pad_ms: int = Field(default=300, ge=0, le=2000, description="audio kept before and after speech")
    max_gap_s: float = Field(default=3.0, gt=0, le=60, description="a longer pause ends the chunk")

    @model_validator(mode="after")
    def _gap_holds_padding(self) -> ChunkConfig:
        if self.max_gap_s < 2 * self.pad_ms / 1000:
            raise ValueError("max_gap_s must be at least twice pad_ms")
        return self


class LanguageConfig(Section):
    model: str = Field(default="base", description="multilingual model that identifies languages")
    mode: Literal["recording", "segment"] = Field(
        default="recording",
        description="one language a channel; segment: one a stretch of some seconds, for recordings that"
        " change it (every chunk is then identified, hinted ones too)",
    )
    n_chunks: int = Field(
        default=5, gt=0, description="chunks a channel that vote, spread over it; segment: all do"
    )
    min_recording_prob: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="a recording less sure than this goes to fallback_model; without one it fails",
    )
    fallback_model: str | None = Field(
        default=None,
        description="for recordings too unsure of their language, or in one that their route's model lacks",
    )
    prior: dict[LanguageCode, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="how many times likelier than an unnamed language each of these is, beforehand",
    )
    switch_odds: float = Field(
        default=10.0,
        gt=1,
        description="how many times likelier a stretch must be in another language than its recording's",
    )
    check_hints: bool = Field(
        default=True,
        description="identify hinted recordings too where their own model cannot tell; else it always does",
    )
    min_prob: float = Field(
        default=0.5, ge=0, le=1, description="a channel less sure than this takes its recording's language"
    )
    chinese_script: Literal["auto", "simplified", "traditional", "as_heard"] = Field(
        default="auto",
        description="script of zh text; auto: traditional for hints as yue or zh-TW, else simplified; "
        "Whisper mixes both, as_heard leaves it so",
    )
    allowed: tuple[LanguageCode, ...] = Field(
        default=(), description="restrict identification to these; empty: all"
    )


class DecodeConfig(Section):
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto: the GPU that Spark assigned, else the CPU; cpu; cuda"
    )
    compute_type: Literal[
        "auto",
        "int8",
        "int8_float32",
        "int8_float16",
        "int8_bfloat16",
        "int16",
        "float16",
        "bfloat16",
        "float32",
    ] = Field(
        default="auto",
        description="number format of the weights in use; auto: the engine's fastest that is safe",
    )
    threads: int = Field(
        default=0, ge=0, description="CPU threads an engine, a batch each; 0: the cores of its Spark task"
    )
    beam_size: int = Field(default=5, gt=0, le=50, description="1 is greedy")
    batch_s: float = Field(default=240.0, gt=0, description="padded audio seconds in one batch")
    full_context: bool = Field(default=False, description="always encode 30 s, as the peers do")


class CTranslate2Config(Section):
    encoder: Literal["auto", "ctranslate2", "openvino"] = Field(
        default="auto",
        description="Runtime that encodes on CPUs. auto: OpenVINO (extra cpu) where the processor has VNNI"
        " and decode.compute_type is auto, else CTranslate2. On GPUs always CTranslate2.",
    )
    context_margin_s: float = Field(default=3.0, ge=0, description="padding encoded after a chunk's audio")
    context_step_s: float = Field(default=2.5, gt=0, le=30, description="encoded lengths are multiples of it")

    @field_validator("encoder")
    @classmethod
    def _is_installed(cls, encoder: str) -> str:
        if encoder == "openvino" and importlib.util.find_spec("openvino") is None:
            raise ValueError("OpenVINO is not installed: pip install 'spark-transcribe[cpu]'")
        return encoder


class Seq2SeqConfig(Section):
    context_margin_s: float = Field(
        default=3.0, ge=0, description="padding that Whisper encodes after a chunk"
    )
    context_step_s: float = Field(
        default=2.5, gt=0, le=30, description="its encoded lengths are multiples of it"
    )


class EnginesConfig(Section):
    max_memory_gb: float = Field(
        default=8.0,
        gt=0,
        description="models a worker keeps loaded, by their files' size or what loading them took; the least"
        " recently used go first",
    )
    ctranslate2: CTranslate2Config = CTranslate2Config()
    seq2seq: Seq2SeqConfig = Seq2SeqConfig()


class GuardsConfig(Section):
    max_compression_ratio: float = Field(default=2.4, gt=1, description="above: a loop")
    min_avg_logprob: float = Field(default=-1.0, lt=0, description="below: doubtful, decoded again")
    max_no_speech_prob: float = Field(default=0.2, gt=0, le=1, description="with a low logprob: no speech")
    max_chars_per_s: float = Field(
        default=30.0,
        gt=0,
        description="more characters a second of audio: unbelievable, unless the model is sure of them",
    )
    min_coverage: float = Field(default=0.5, ge=0, le=1, description="share of the speech words must cover")
    max_wordless_s: float = Field(
        default=3.0, gt=0, description="a longer stretch of a chunk without words: speech was missed"
    )
    repair: bool = Field(default=True, description="decode unbelievable and unsure hypotheses again")
    unsure_disagreement: float = Field(
        default=0.1,
        ge=0,
        description="expected share of wrong words, by the beam's candidates; above: decoded again with full"
        " context, the surer text stays",
    )


class AlignmentConfig(Section):
    second: Literal["none", "hmm"] = Field(
        default="none",
        description="a second track of word times beside attention's: none, or hmm (en and fr; extra hmm)",
    )

    @field_validator("second")
    @classmethod
    def _is_installed(cls, second: str) -> str:
        if second == "hmm" and importlib.util.find_spec("soundswallower") is None:
            raise ValueError("SoundSwallower is not installed: pip install 'spark-transcribe[hmm]'")
        return second


class Config(Section):
    audio: AudioConfig = AudioConfig()
    vad: VadConfig = VadConfig()
    chunk: ChunkConfig = ChunkConfig()
    language: LanguageConfig = LanguageConfig()
    decode: DecodeConfig = DecodeConfig()
    engines: EnginesConfig = EnginesConfig()
    guards: GuardsConfig = GuardsConfig()
    alignment: AlignmentConfig = AlignmentConfig()
    job: JobConfig = JobConfig()
    storage: StorageConfig = StorageConfig()
    spark: SparkConfig = SparkConfig()
    model: str | None = Field(default=None, description="one model for everything; null: routes decide")
    models: str = Field(default="conf/models", description="the registry: a YAML file, or a folder of them")
    regions: str | None = Field(
        default=None, description="a YAML file of regions and their places; null: any name may be one"
    )
    services: str | None = Field(
        default=None, description="a YAML file of services and what they get; null: any name may be one"
    )

    @model_validator(mode="after")
    def _segments_fit_chunks(self) -> Config:
        longest_s = self.vad.max_segment_s + 2 * self.chunk.pad_ms / 1000
        if longest_s > self.chunk.max_s:
            raise ValueError("vad.max_segment_s plus padding must not exceed chunk.max_s")
        return self


def load(files: Sequence[str | Path] = (), overrides: Mapping[str, Any] | Sequence[str] = ()) -> Config:
    """Merge YAML files in order, then overrides (``{"vad.threshold": 0.4}`` or ``["vad.threshold=0.4"]``).

    Raises ``ConfigError`` for a missing file, bad YAML, an unknown key or a bad value.
    """
    try:
        return Config.model_validate(merged(files, overrides))
    except ValidationError as error:
        raise explained(error, Config) from None
