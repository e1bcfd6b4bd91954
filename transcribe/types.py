"""The words of this project as frozen dataclasses. Read this file first.

Two clocks: the *recording's* (0 at the first sample of the file) and the *chunk's* (0 at the first
sample of what the model hears). Chunk-clock names end in ``_in_chunk_s``; everything else ending in
``_s`` is on the recording's clock or a duration. Only ``clock.py`` converts between them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter
from pydantic_core import to_json

from transcribe.verdicts import Status, Verdict

SAMPLE_RATE = 16_000
"""Samples a second of all audio after decoding."""

Samples = npt.NDArray[np.float32]
"""Mono audio at ``SAMPLE_RATE``, nominally in [-1, 1]."""

Span = tuple[float, float]
"""Start and end in seconds."""

T = TypeVar("T")


@dataclass(frozen=True)
class Recording:
    """One source file or object, as planned."""

    recording_id: str
    uri: str  # local path or s3://bucket/key
    source_version: str  # changes when the bytes may have changed
    region: str
    date: str  # YYYY-MM-DD
    language: str | None = None  # hint: a tag of languages.py (en, zh-Hant); None: identify it
    service: str | None = None
    channels: str = "auto"  # auto, mix, each, or comma-separated 0-based indices
    date_given: bool = False  # by the manifest: a transcript under another date is relabelled
    speakers: str | None = None  # who speaks on which channel, in their order: "agent,customer"


@dataclass(frozen=True)
class Segment:
    """Speech found by VAD in one channel. Recording clock, no text."""

    channel: int
    start_s: float
    end_s: float
    is_echo: bool = False  # of another channel's speech: not sent to a model

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Piece:
    """A stretch of the recording that a chunk holds: where it lies on both clocks."""

    start_s: float
    start_in_chunk_s: float
    duration_s: float

    @property
    def end_s(self) -> float:
        return self.start_s + self.duration_s

    @property
    def end_in_chunk_s(self) -> float:
        return self.start_in_chunk_s + self.duration_s


@dataclass(frozen=True)
class Chunk:
    """One model input: pieces of one channel, in time order, back to back on the chunk's clock."""

    recording_id: str
    channel: int
    index: int  # 0-based within the recording and channel
    pieces: tuple[Piece, ...]  # at least one
    segments: tuple[Segment, ...]  # the speech that the pieces hold

    @property
    def chunk_id(self) -> str:
        return f"{self.recording_id}/{self.channel}/{self.index}"

    @property
    def speech_s(self) -> float:
        return sum(segment.duration_s for segment in self.segments)

    @property
    def duration_s(self) -> float:
        return self.pieces[-1].end_in_chunk_s


@dataclass(frozen=True)
class ChunkAudio:
    """A chunk as an engine gets it: samples and the language to decode (None: engine's choice)."""

    chunk_id: str
    samples: Samples
    language: str | None
    speech_s: float

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True)
class HypothesisWord:
    """A word on the chunk's clock; ``text`` keeps its leading space and punctuation."""

    text: str
    start_in_chunk_s: float
    end_in_chunk_s: float
    probability: float
    tracks_in_chunk_s: tuple[Span, Span] | None = None  # by attention, by a second aligner


@dataclass(frozen=True)
class LanguageScores:
    """Language probabilities of one chunk or a stretch of it, best first."""

    probs: tuple[tuple[str, float], ...]

    def likeliest(self) -> LanguageScores:
        """The few that matter, for keeping."""
        return LanguageScores(self.probs[:5])


@dataclass(frozen=True)
class Ballot:
    """What a stretch of speech sounds like: a chunk, or some of its segments."""

    scores: LanguageScores
    speech_s: float
    n_segments: int


@dataclass(frozen=True)
class Stretch:
    """Neighbouring segments of a chunk that are decoded in one language."""

    language: str
    n_segments: int = 0  # 0: all of the chunk's


@dataclass(frozen=True)
class Vote:
    """The ballots of one chunk, in time order; together they are all its segments."""

    channel: int
    index: int
    ballots: tuple[Ballot, ...]


@dataclass(frozen=True)
class Candidate:
    """One of the texts that beam search found for a chunk."""

    text: str
    avg_logprob: float  # a token


@dataclass(frozen=True)
class Hypothesis:
    """A model's output for one chunk. Empty text and no words when it heard nothing."""

    text: str
    language: str
    words: tuple[HypothesisWord, ...]
    avg_logprob: float
    no_speech_prob: float | None  # None: the model does not tell
    candidates: tuple[Candidate, ...] = ()  # the n best that the beam found, most probable first
    heard: LanguageScores | None = None  # the likeliest languages, whatever it was decoded in; None: not told


@dataclass(frozen=True)
class Decoded:
    """A chunk with its accepted (or best rejected) hypothesis and how that came about."""

    chunk: Chunk
    hypothesis: Hypothesis
    verdict: Verdict
    attempts: int = 1  # decodings of the chunk, whole or in parts


@dataclass(frozen=True)
class Tracks:
    """When a word is said by the model's attention (first) and by a second aligner. Recording clock."""

    first_start_s: float
    first_end_s: float
    second_start_s: float
    second_end_s: float
    start_error_s: float  # how far the two starts are apart: the error bar of the word's
    end_error_s: float


@dataclass(frozen=True)
class Word:
    """A word on the recording's clock."""

    text: str
    start_s: float
    end_s: float
    probability: float
    tracks: Tracks | None = None  # where a second aligner timed it, too


@dataclass(frozen=True)
class Utterance:
    """One merged, sentence-like stretch of text of one channel. Recording clock."""

    start_s: float
    end_s: float
    channel: int
    speaker: str
    language: str
    text: str
    avg_logprob: float
    no_speech_prob: float | None  # None: the model does not tell
    compression_ratio: float  # of its chunk's text; > 2.4 usually means a loop
    verdict: str  # str(Verdict), of the chunk it came from
    words: tuple[Word, ...]

    @property
    def published(self) -> bool:
        """Is it part of the transcript's text?"""
        return Status.of(self.verdict) is not Status.REJECTED


@dataclass(frozen=True)
class Dropped:
    """Detected speech without words in the transcript, and why; without length: a channel not listened to."""

    channel: int
    start_s: float
    end_s: float
    reason: str


@dataclass(frozen=True)
class Coverage:
    """Seconds of speech, summed over channels: ``speech_s = covered_s + sum of dropped``."""

    speech_s: float = 0.0
    sent_s: float = 0.0
    covered_s: float = 0.0
    dropped: tuple[Dropped, ...] = ()


@dataclass(frozen=True)
class Segmentation:
    """What segmentation learned about one recording."""

    recording_id: str
    duration_s: float
    n_channels: int  # of the file
    segments: tuple[Segment, ...]  # in time order within a channel
    n_chunks: int
    left_out: tuple[Dropped, ...] = ()  # channels that were not listened to, as intervals without length
    channels: tuple[int, ...] = ()  # that were listened to; a mix goes by its first
    mixed: tuple[int, ...] = ()  # of them, mixes of several


LanguageSource = Literal["hint", "vote", "prior", "fallback"]
"""Who decided a recording's language; prior: its region's, against the vote; fallback: nobody, for want of
speech, or of a model that speaks it, or because the vote was too unsure."""


@dataclass(frozen=True)
class HeardLanguage:
    """How likely a recording is in a language, by its sound alone."""

    language: str
    probability: float


@dataclass(frozen=True)
class ChannelLanguage:
    """In which language most of a channel's speech is decoded."""

    channel: int
    language: str
    prob: float  # 1 for a hint, else of the channel's own vote


@dataclass(frozen=True)
class SpokenLanguage:
    """The language of a recording, who decided, and what was heard."""

    language: str  # und without speech and hint
    prob: float  # 1 for a hint, else the vote's
    source: LanguageSource
    heard: tuple[HeardLanguage, ...] = ()  # likeliest first, whatever decided; empty: nobody listened
    contradicted_s: float = 0.0  # of speech that sounds like another language than it was decoded in
    of_channel: tuple[ChannelLanguage, ...] = ()  # of each channel with speech


@dataclass(frozen=True)
class DecodeOptions:
    """How an engine decodes one batch; nothing else says so."""

    beam_size: int = 1
    n_best: int = 1  # candidates wanted, at most beam_size
    no_repeat_ngram_size: int = 0  # n-grams of this size appear once; 0: no such limit
    full_context: bool = False  # encode 30 s whatever the chunk's length
    tell_languages: bool = False  # say what was heard, if the model can


@dataclass(frozen=True)
class ChannelSummary:
    """What was heard on one channel that was listened to."""

    channel: int
    speaker: str
    language: str  # und without speech
    language_prob: float
    speech_s: float
    covered_s: float  # near a published word
    n_words: int  # published
    is_mix: bool = False  # of several channels: names of speakers do not apply


@dataclass(frozen=True)
class Transcript:
    """All utterances of one recording in time order: one row of the transcripts table."""

    recording: Recording
    duration_s: float
    n_channels: int
    language: str
    language_prob: float
    language_source: LanguageSource
    text: str
    utterances: tuple[Utterance, ...]
    coverage: Coverage = field(default_factory=Coverage)
    heard: tuple[HeardLanguage, ...] = ()  # see SpokenLanguage
    contradicted_s: float = 0.0  # of speech that sounds like another language than it was decoded in
    channels: tuple[ChannelSummary, ...] = ()  # that were listened to


@dataclass(frozen=True)
class Failure:
    """Why a recording has no transcript: one row of the failures table."""

    recording_id: str
    stage: str  # plan, fetch, decode, segment, transcribe, merge, worker
    error: str  # stable code
    message: str
    next_step: str
    retryable: bool  # try again in the next run, though neither source nor settings changed


_adapters: dict[type[Any], TypeAdapter[Any]] = {}  # building one is slow


def dump(value: Any) -> str:
    """Return a dataclass as JSON, as it travels between Spark's stages.

    Floats keep every digit, and NaN and the infinities stay what they are.
    """
    return to_json(value, inf_nan_mode="constants").decode()


def parse(kind: type[T], text: str) -> T:
    """Return the ``kind`` that ``dump`` wrote."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    value: T = _adapters[kind].validate_json(text)
    return value
