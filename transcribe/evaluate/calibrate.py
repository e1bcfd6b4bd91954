"""Which heads of a model tell the time, and how early: measured on recordings whose words are known.

Heads need texts alone: those that have most attention on the path that all heads give together, over all
recordings. The lead needs times of words; without any it is not measured (where voice activity starts and
ends says too little: on six recordings it missed the lead by 50 to 80 ms).
"""

from __future__ import annotations

import logging
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from transcribe.alignment.heads import N_CHOSEN, on_path
from transcribe.alignment.recipe import Reading, aligned
from transcribe.audio.process import blocks
from transcribe.config import Config
from transcribe.engines.base import Reader
from transcribe.errors import DecodeError, StorageError
from transcribe.evaluate.reference import Reference
from transcribe.evaluate.timing import TimeErrors, compare_word_times
from transcribe.models.traits import Traits
from transcribe.types import SAMPLE_RATE, ChunkAudio, HypothesisWord, Samples

log = logging.getLogger(__name__)

MAX_S = 30.0
"""A text is read beside all of its recording, so that must be one input of the model."""
NEAR_S = 0.2
"""A word's edge farther than this from a gold one is another word's."""
Head = tuple[int, int]


@dataclass(frozen=True)
class Calibration:
    """``lead_s`` is None without gold times; errors are of the gold words, as the entry was and is now."""

    heads: tuple[Head, ...]
    lead_s: float | None
    n_recordings: int
    before: TimeErrors
    after: TimeErrors


def calibrate(
    reader: Reader, references: Sequence[Reference], traits: Traits, config: Config
) -> Calibration | None:
    """None when no recording can be used; why is logged. ``traits``: the entry's, for comparison.

    What has gold times is read twice: the attention of all heads of all recordings would fill the memory.
    """
    totals = [_on_path(reading) for *_, reading in readings(reader, references, config)]
    if not totals:
        return None
    heads = _best(np.sum(totals, axis=0))
    gold: list[tuple[Reference, Reading]] = []
    before, after = TimeErrors(), TimeErrors()
    for reference, _, reading in readings(reader, [one for one in references if one.word_times], config):
        before += _errors(reference, aligned_words(reading, traits.heads or reading.heads))
        gold.append((reference, replace(reading, attention=reading.of(heads)[None])))
    lead_s = _lead_s(gold) if gold else None
    for reference, reading in gold:
        after += _errors(reference, aligned_words(_leading(reading, lead_s), ()))
    return Calibration(heads, lead_s, len(totals), before, after)


def _on_path(reading: Reading) -> npt.NDArray[np.float32]:
    """Of each head, shape (layers, heads)."""
    n_layers, n_heads = reading.attention.shape[:2]
    return on_path(reading.attention.reshape(-1, *reading.attention.shape[2:]), reading.text).reshape(
        n_layers, n_heads
    )


def _best(total: npt.NDArray[np.float32]) -> tuple[Head, ...]:
    """(layer, head) of those with most, best first."""
    order = np.argsort(-total, axis=None, kind="stable")[:N_CHOSEN].tolist()
    return tuple(divmod(place, total.shape[1]) for place in order)


def _lead_s(gold: Sequence[tuple[Reference, Reading]]) -> float:
    """How much later gold words start and end than attention says, in the median."""
    shifts_s: list[float] = []
    for reference, reading in gold:
        words = aligned_words(_leading(reading, 0.0), ())
        starts_s = [word.start_in_chunk_s for word in words]
        ends_s = [word.end_in_chunk_s for word in words]
        for start_s, end_s, _ in reference.word_times:
            shifts_s += _nearest(start_s, starts_s) + _nearest(end_s, ends_s)
    return round(statistics.median(shifts_s), 3) if shifts_s else 0.0


def _leading(reading: Reading, lead_s: float | None) -> Reading:
    return replace(reading, grid=reading.grid.told(None, lead_s))


def _nearest(time_s: float, found_s: Sequence[float]) -> list[float]:
    shift_s = min((time_s - other_s for other_s in found_s), key=abs, default=NEAR_S * 2)
    return [shift_s] if abs(shift_s) <= NEAR_S else []


def aligned_words(
    reading: Reading, heads: Sequence[Head] | None, *, keep_pauses: bool = False
) -> tuple[HypothesisWord, ...]:
    """Words with times by these heads, by all that there are (none given), or by the utterance's
    best (None)."""
    everything = reading.attention.reshape(-1, *reading.attention.shape[2:])
    return aligned(
        reading.of(heads) if heads else everything,
        reading.text,
        reading.words,
        reading.tokens_a_word,
        [1.0] * sum(reading.tokens_a_word),
        reading.duration_s,
        reading.grid,
        choose_heads=heads is None,
        keep_pauses=keep_pauses,
    )


def _errors(reference: Reference, words: Sequence[HypothesisWord]) -> TimeErrors:
    found = [(word.start_in_chunk_s, word.end_in_chunk_s, word.text) for word in words]
    return compare_word_times(reference.word_times, found, reference.language)


def readings(
    reader: Reader, references: Iterable[Reference], config: Config
) -> Iterator[tuple[Reference, Samples, Reading]]:
    """Of recordings of at most ``MAX_S`` with a text that holds all that is said; others are told and left
    out. Channels are mixed."""
    for reference in references:
        if not reference.text or reference.loose or reference.speechless:
            log.info("%s: left out, no text of all that is said", reference.file)
            continue
        try:
            channels = np.concatenate(list(blocks(reference.path, config.audio)), axis=1)
        except (DecodeError, StorageError, ValueError) as error:
            log.info("%s: left out, %s", reference.file, error)
            continue
        if channels.shape[1] > MAX_S * SAMPLE_RATE:
            log.info("%s: left out, longer than %.0f s", reference.file, MAX_S)
            continue
        duration_s = channels.shape[1] / SAMPLE_RATE
        chunk = ChunkAudio(reference.file, channels.mean(0), reference.language, duration_s)
        yield reference, chunk.samples, reader.read(chunk, reference.text)
