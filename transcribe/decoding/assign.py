"""Language and model of a recording, from what is known of its chunks without their audio."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol, TypeVar

from transcribe.config import Config
from transcribe.decoding import identify
from transcribe.decoding.identify import follow
from transcribe.errors import LanguageError, failure
from transcribe.languages import UNDETERMINED
from transcribe.models.registry import ModelEntry, Registry
from transcribe.types import Ballot, ChannelLanguage, Failure, Recording, SpokenLanguage, Stretch, Vote


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
    """In which languages, and by which model, a recording is decoded."""

    entry: ModelEntry
    spoken: SpokenLanguage
    stretches: Mapping[Place, tuple[Stretch, ...]]  # of each chunk, in time order
    votes: tuple[Vote, ...] = ()  # where what the model hears while decoding is no evidence, or poor


def voters(
    recording: Recording, chunks: Iterable[AnyChunk], registry: Registry, config: Config
) -> list[AnyChunk]:
    """The chunks of one recording whose language is to be identified: some of each channel, spread over it,
    in time order; all with ``language.mode: segment``; none where a hint decides and its model tells while
    decoding whether it is right."""
    config = registry.config_for(recording.region, config)
    if not registry.is_identified(recording, config):
        return []
    of_channel: dict[int, dict[int, AnyChunk]] = defaultdict(dict)
    for chunk in chunks:
        of_channel[chunk.channel][chunk.index] = chunk
    if config.language.mode == "segment":
        return [by_index[index] for by_index in of_channel.values() for index in sorted(by_index)]
    return [
        by_index[index]
        for by_index in of_channel.values()
        for index in identify.choose_chunks({i: c.speech_s for i, c in by_index.items()}, config.language)
    ]


def assign(
    recording: Recording,
    chunks: Sequence[SpeechChunk],
    votes: Mapping[Place, Vote],
    registry: Registry,
    config: Config,
) -> Assignment | Failure:
    """What one recording gets, given all its chunks and the votes of its voters.

    A failure when no model speaks its language, or when that is too unsure.
    """
    config = registry.config_for(recording.region, config)
    chunks = sorted(chunks, key=lambda chunk: (chunk.channel, chunk.index))  # sums depend on the order
    ballots: dict[int, list[Ballot]] = defaultdict(list)
    for place in sorted(votes):
        ballots[place[0]] += votes[place].ballots
    spoken_s = identify.speech_by_channel((chunk.channel, chunk.speech_s) for chunk in chunks)
    hint = registry.usable_hint(recording, config.model)
    found = identify.decide(hint, ballots, spoken_s, config.language)
    spoken = SpokenLanguage(found.language, found.prob, found.source)
    try:
        if chunks and found.language == UNDETERMINED:
            raise _unsure("none of language.allowed")
        stretches: Mapping[Place, tuple[Stretch, ...]] = {
            (c.channel, c.index): (Stretch(found.of_channel.get(c.channel, found.language)),) for c in chunks
        }
        if config.language.mode == "segment" and votes:
            stretches = _followed(votes, found.of_channel, hint, config)
            spoken = _dominant(spoken, stretches, votes)
        entry, spoken = _entry(recording, spoken, stretches, registry, config)
    except LanguageError as error:
        return failure(recording.recording_id, error, "plan")
    spoken_here = {place: _spoken_by(entry, some, spoken.language) for place, some in stretches.items()}
    is_enough = entry.tells_languages and not identify.is_short(spoken_s.values())
    kept = () if is_enough else tuple(votes[place] for place in sorted(votes))
    spoken = replace(spoken, of_channel=_of_channel(chunks, spoken, spoken_here, ballots, config))
    return Assignment(entry, spoken, spoken_here, kept)


def _of_channel(
    chunks: Iterable[SpeechChunk],
    spoken: SpokenLanguage,
    stretches: Mapping[Place, Sequence[Stretch]],
    ballots: Mapping[int, Sequence[Ballot]],
    config: Config,
) -> tuple[ChannelLanguage, ...]:
    """Each channel's language, as sure as the hint is, or the channel's own vote."""
    seconds: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for chunk in chunks:
        some = stretches[chunk.channel, chunk.index]
        n_segments = sum(one.n_segments for one in some)
        for one in some:
            share = one.n_segments / n_segments if n_segments else 1.0
            seconds[chunk.channel][one.language] += chunk.speech_s * share
    found = []
    for channel, by_language in sorted(seconds.items()):
        language = identify.best(by_language)
        is_hint = spoken.source == "hint" and language == spoken.language
        voted = identify.vote(ballots.get(channel, ()), config.language)
        found.append(ChannelLanguage(channel, language, 1.0 if is_hint else voted.get(language, 0.0)))
    return tuple(found)


def _followed(
    votes: Mapping[Place, Vote], of_channel: Mapping[int, str], hint: str | None, config: Config
) -> dict[Place, tuple[Stretch, ...]]:
    """Each chunk's languages; neighbours share one unless the odds are against it."""
    found: dict[Place, tuple[Stretch, ...]] = {}
    for channel, places in groupby(sorted(votes), key=lambda place: place[0]):
        ballots = [(place, ballot) for place in places for ballot in votes[place].ballots]
        probs = [identify.likely(ballot.scores, config.language, expected=hint) for _, ballot in ballots]
        sounds = [
            (identify.count_sisters(one, hint), ballot.speech_s)
            for one, (_, ballot) in zip(probs, ballots, strict=True)
        ]
        path = follow(sounds, config.language.switch_odds, start=of_channel[channel])
        along = [
            (place, language, ballot.n_segments)
            for (place, ballot), language in zip(ballots, path, strict=True)
        ]
        for (place, language), same in groupby(along, key=lambda one: one[:2]):
            found[place] = (*found.get(place, ()), Stretch(language, sum(n for _, _, n in same)))
    return found


def _dominant(
    spoken: SpokenLanguage, stretches: Mapping[Place, Sequence[Stretch]], votes: Mapping[Place, Vote]
) -> SpokenLanguage:
    """The recording's language is the one with the most speech. Where that is not the hint's, the vote has
    decided."""
    seconds: dict[str, float] = defaultdict(float)
    weights: dict[str, float] = defaultdict(float)
    for place, some in stretches.items():
        languages = [one.language for one in some for _ in range(one.n_segments)]
        n = 0
        for ballot in votes[place].ballots:
            language = languages[n]
            n += ballot.n_segments
            seconds[language] += ballot.speech_s
            weights[language] += ballot.speech_s * dict(ballot.scores.probs).get(language, 0.0)
    best = identify.best(seconds)
    if spoken.language == best:
        return spoken
    return SpokenLanguage(best, weights[best] / (seconds[best] or 1.0), "vote")


def _entry(
    recording: Recording,
    spoken: SpokenLanguage,
    stretches: Mapping[Place, Sequence[Stretch]],
    registry: Registry,
    config: Config,
) -> tuple[ModelEntry, SpokenLanguage]:
    """The route's model, or ``language.fallback_model``: for an unsure vote, for a language or several that
    the route's does not speak. Raises LanguageError."""
    needed = {one.language for some in stretches.values() for one in some}
    name = config.language.fallback_model
    fallback = registry.get(name, "language.fallback_model") if name else None
    if fallback and not all(map(fallback.speaks, needed)):
        fallback = None
    voted = spoken.source in ("vote", "prior")
    if voted and spoken.prob < config.language.min_recording_prob:
        if fallback is None:
            raise _unsure(f"{spoken.language} at {spoken.prob:.2f}, below language.min_recording_prob")
        return fallback, replace(spoken, source="fallback")
    try:
        entry = registry.entry_for(recording, spoken.language, config.model)
    except LanguageError:
        if fallback is None:
            raise
        return fallback, replace(spoken, source="fallback")
    if fallback and not all(map(entry.speaks, needed)):
        return fallback, replace(spoken, source="fallback")
    return entry, spoken


def _spoken_by(entry: ModelEntry, stretches: tuple[Stretch, ...], language: str) -> tuple[Stretch, ...]:
    """A chunk's languages as the model can decode them: what it does not speak, in the recording's."""
    if all(entry.speaks(one.language) for one in stretches):
        return stretches
    return tuple(one if entry.speaks(one.language) else replace(one, language=language) for one in stretches)


def _unsure(heard: str) -> LanguageError:
    return LanguageError(
        "unsure_language",
        f"heard {heard}",
        "give a hint, name a language.fallback_model, or lower the setting",
    )
