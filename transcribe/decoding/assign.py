"""Language and model of a recording, from what is known of its chunks without their audio."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from transcribe.config import Config
from transcribe.decoding import identify
from transcribe.errors import LanguageError, failure
from transcribe.models.registry import ModelEntry, Registry
from transcribe.types import Failure, LanguageScores, LanguageSource, Recording


class SpeechChunk(Protocol):
    """As much of a chunk as is needed here; ``types.Chunk`` is one."""

    @property
    def channel(self) -> int: ...
    @property
    def index(self) -> int: ...
    @property
    def speech_s(self) -> float: ...


AnyChunk = TypeVar("AnyChunk", bound=SpeechChunk)

Place = tuple[int, int]
"""Channel and index of a chunk within its recording."""


@dataclass(frozen=True)
class Assignment:
    """In which language, and by which model, a recording is decoded."""

    entry: ModelEntry
    language: str  # und without speech and hint
    language_prob: float
    language_source: LanguageSource
    of_channel: Mapping[int, str]  # language of each channel with speech


def voters(
    recording: Recording, chunks: Iterable[AnyChunk], registry: Registry, config: Config
) -> list[AnyChunk]:
    """The chunks of one recording whose language is to be identified: of each channel those with the most
    speech, in time order; none when its hint can be used."""
    if registry.usable_hint(recording, config.model):
        return []
    of_channel: dict[int, dict[int, AnyChunk]] = defaultdict(dict)
    for chunk in chunks:
        of_channel[chunk.channel][chunk.index] = chunk
    return [
        by_index[index]
        for by_index in of_channel.values()
        for index in identify.choose_chunks({i: c.speech_s for i, c in by_index.items()}, config.language)
    ]


def assign(
    recording: Recording,
    chunks: Sequence[SpeechChunk],
    scores: Mapping[Place, LanguageScores],
    registry: Registry,
    config: Config,
) -> Assignment | Failure:
    """What one recording gets, given all its chunks and the scores of its voters.

    A failure when no model speaks its language.
    """
    chunks = sorted(chunks, key=lambda chunk: (chunk.channel, chunk.index))  # sums depend on the order
    ballots: dict[int, list[tuple[LanguageScores, float]]] = defaultdict(list)
    for chunk in chunks:
        if (chunk.channel, chunk.index) in scores:
            ballots[chunk.channel].append((scores[chunk.channel, chunk.index], chunk.speech_s))
    voted = {channel: identify.vote(votes, config.language) for channel, votes in ballots.items()}
    spoken = identify.speech_by_channel((chunk.channel, chunk.speech_s) for chunk in chunks)
    hint = registry.usable_hint(recording, config.model)
    of_channel, language, prob, source = identify.decide(hint, voted, spoken, config.language)
    try:
        entry = registry.entry_for(recording, language, config.model)
    except LanguageError as error:
        return failure(recording.recording_id, error, "plan")
    return Assignment(entry, language, prob, source, of_channel)
