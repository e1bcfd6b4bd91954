"""One decoded chunk as utterances on the recording's clock; times are rounded here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from transcribe import clock
from transcribe.decoding.guards import compression_ratio
from transcribe.transcript.abbreviations import is_abbreviation
from transcribe.types import Chunk, Decoded, HypothesisWord, Segment, Span, Tracks, Utterance, Word
from transcribe.words import SENTENCE_MARKS

SENTENCE_ENDS = tuple(SENTENCE_MARKS)
LONGEST_PAUSE_S = 1.0
"""A pause between words that ends an utterance."""
LONGEST_UTTERANCE_S = 30.0
EARLIEST_S, LATEST_S = 0.05, 0.1
"""How far a word may reach out of its speech: VAD's own imprecision."""


def utterances_of(decoded: Decoded, duration_s: float) -> Iterator[Utterance]:
    hypothesis, chunk = decoded.hypothesis, decoded.chunk
    if not hypothesis.text:
        return
    groups = list(_sentences(chunk, hypothesis.words, duration_s))
    if not groups:  # an engine without word times: the chunk's speech is the best there is
        start_s, end_s = chunk.segments[0].start_s, min(chunk.segments[-1].end_s, duration_s)
        yield _utterance(decoded, hypothesis.text, round(start_s, 3), round(end_s, 3), ())
        return
    for text, words in groups:
        yield _utterance(decoded, text, words[0].start_s, words[-1].end_s, words)


def _sentences(
    chunk: Chunk, words: Sequence[HypothesisWord], duration_s: float
) -> Iterator[tuple[str, tuple[Word, ...]]]:
    """Group words up to a sentence's end, a long pause or a long utterance. Text keeps its spacing."""
    text, group = "", list[Word]()
    for raw in words:
        word = to_recording(chunk, raw, duration_s)
        if not word.text:
            continue
        if group and (
            (group[-1].text.endswith(SENTENCE_ENDS) and not is_abbreviation(group[-1].text, word.text))
            or word.start_s - group[-1].end_s > LONGEST_PAUSE_S
            or word.end_s - group[0].start_s > LONGEST_UTTERANCE_S
        ):
            yield text.strip(), tuple(group)
            text, group = "", []
        text += raw.text
        group.append(word)
    if group:
        yield text.strip(), tuple(group)


def _utterance(
    decoded: Decoded, text: str, start_s: float, end_s: float, words: tuple[Word, ...]
) -> Utterance:
    hypothesis = decoded.hypothesis
    return Utterance(
        start_s=start_s,
        end_s=end_s,
        channel=decoded.chunk.channel,
        speaker=f"channel_{decoded.chunk.channel}",
        language=hypothesis.language,
        text=text,
        avg_logprob=round(hypothesis.avg_logprob, 4),
        no_speech_prob=None if hypothesis.no_speech_prob is None else round(hypothesis.no_speech_prob, 4),
        compression_ratio=compression_ratio(hypothesis.text),
        verdict=str(decoded.verdict),
        words=words,
    )


def to_recording(chunk: Chunk, word: HypothesisWord, duration_s: float) -> Word:
    """The word on the recording's clock, inside its piece and the recording; rounded to 3 decimals.

    The recording's duration is rounded alike, so that no time comes to lie beyond it.
    """
    start_s, end_s = clock.to_recording(chunk, word.start_in_chunk_s, word.end_in_chunk_s, duration_s)
    start_s, end_s = _at_speech(chunk.segments, start_s, end_s)
    return Word(
        word.text.strip(),
        round(start_s, 3),
        round(end_s, 3),
        round(word.probability, 4),
        _tracks(chunk, word.tracks_in_chunk_s, duration_s),
    )


def _tracks(chunk: Chunk, tracks: tuple[Span, Span] | None, duration_s: float) -> Tracks | None:
    """As the aligners said, but on the recording's clock."""
    if tracks is None:
        return None
    (start_s, end_s), (second_start_s, second_end_s) = (
        clock.to_recording(chunk, *span, duration_s) for span in tracks
    )
    return Tracks(
        round(start_s, 3),
        round(end_s, 3),
        round(second_start_s, 3),
        round(second_end_s, 3),
        start_error_s=round(abs(start_s - second_start_s), 3),
        end_error_s=round(abs(end_s - second_end_s), 3),
    )


def _at_speech(segments: Sequence[Segment], start_s: float, end_s: float) -> tuple[float, float]:
    """A word that reaches far out of the speech it overlaps most is cut back to it: attention spreads
    first and last words over the silence beside them. A word that overlaps no speech stays."""
    best = max(range(len(segments)), key=lambda n: _overlap_s(segments[n], start_s, end_s))
    if _overlap_s(segments[best], start_s, end_s) <= 0:
        return start_s, end_s
    first = last = best  # speech that is cut without a pause is one
    while first and segments[first].start_s - segments[first - 1].end_s < EARLIEST_S + LATEST_S:
        first -= 1
    while (
        last + 1 < len(segments) and segments[last + 1].start_s - segments[last].end_s < EARLIEST_S + LATEST_S
    ):
        last += 1
    return max(start_s, segments[first].start_s - EARLIEST_S), min(end_s, segments[last].end_s + LATEST_S)


def _overlap_s(segment: Segment, start_s: float, end_s: float) -> float:
    return min(end_s, segment.end_s) - max(start_s, segment.start_s)
