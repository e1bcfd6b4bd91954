"""``python -m transcribe.models calibrate``: which heads of a model tell the time, and how early.

Both are measured on recordings whose words are known; ``--compare-ways`` shows how exact each way to take
word times is.

Heads need texts alone: those that have most attention on the path that all heads give together, over all
recordings. The lead needs times of words; without any it is not measured (where voice activity starts and
ends says too little: on six recordings it missed the lead by 50 to 80 ms).
"""

from __future__ import annotations

import logging
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from transcribe.alignment import hmm
from transcribe.alignment.attention import N_CHOSEN, on_path
from transcribe.alignment.recipe import Reading, aligned
from transcribe.audio.process import blocks
from transcribe.config import Config
from transcribe.engines.base import Reader
from transcribe.engines.loading import choose_device, load
from transcribe.errors import ConfigError, DecodeError, InferenceError, StorageError
from transcribe.evaluate.reference import Reference
from transcribe.evaluate.reference import load as load_references
from transcribe.evaluate.timing import Cells, TimedText, TimeErrors, compare_word_times, groups, rows
from transcribe.layers import shipped
from transcribe.models.editing import set_traits
from transcribe.models.registry import ModelEntry, Registry
from transcribe.models.traits import Traits
from transcribe.types import SAMPLE_RATE, ChunkAudio, HypothesisWord, Samples

log = logging.getLogger(__name__)

WORKS_WITH = "recordings of at most 30 s whose reference_text holds all that is said"
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


def run(config: Config, name: str, manifest: Path, only_compare: bool = False) -> str:
    """Measure a model's heads and lead, write them into its entry, and return what was found.

    ``only_compare``: change nothing, and return a table of each way's time errors. Raises ``ConfigError``,
    ``ManifestError`` or ``ModelError``.
    """
    entry = Registry.of(config).get(name, "NAME")
    engine = load(entry, config, choose_device(config, n_cores=1))
    try:
        if not isinstance(engine, Reader):
            raise ConfigError("NAME", name, f"the engine {entry.engine} gives no attention; use seq2seq")
        references = load_references(manifest)
        if only_compare:
            return _table(compare_ways(engine, references, config), manifest)
        found = calibrate(engine, references, entry.traits, config)
    finally:
        engine.close()
    if found is None:
        raise ConfigError("MANIFEST", str(manifest), f"nothing to read; calibration needs {WORKS_WITH}")
    traits = {"heads": found.heads} | ({} if found.lead_s is None else {"lead_s": found.lead_s})
    return f"{_describe(entry, found)}\nwritten into {set_traits(shipped(config.models), name, traits)}"


def compare_ways(engine: Reader, references: Sequence[Reference], config: Config) -> Cells:
    """Measure how far word times are from gold ones, for each way to take them from a model's attention.

    The model reads each reference text beside its recording, so that only times differ. The ways are the
    model's heads and those chosen for the utterance, pauses left out or given to words, and, where it knows
    the language, a forced aligner on the same text.
    """
    cells: dict[str, dict[str, TimeErrors]] = {}
    timed = [one for one in references if one.word_times]
    for reference, samples, reading in readings(engine, timed, config):
        for way, words in _ways(reference, samples, reading):
            errors = compare_word_times(reference.word_times, words, reference.language)
            for group in groups(reference.word_times_source, reference.language):
                cell = cells.setdefault(group, {})
                cell[way] = cell.get(way, TimeErrors()) + errors
    return cells


def _ways(
    reference: Reference, samples: Samples, reading: Reading
) -> Iterator[tuple[str, Sequence[TimedText]]]:
    """Yield each way's name, and its words on the recording's clock."""
    choices = {"the model's heads": reading.heads} if reading.heads else {}
    for heads, named in {**choices, "chosen heads": None}.items():
        for pauses, keeps in (("", False), (", pauses in words", True)):
            words = aligned_words(reading, named, keep_pauses=keeps)
            yield f"{heads}{pauses}", [(w.start_in_chunk_s, w.end_in_chunk_s, w.text) for w in words]
    try:
        spans = hmm.align(samples, reading.words, reference.language)
    except InferenceError:  # SoundSwallower is not installed
        return
    if any(spans):
        yield (
            "forced aligner",
            [(*span, word) for span, word in zip(spans, reading.words, strict=True) if span],
        )


def _table(cells: Cells, manifest: Path) -> str:
    found = rows(cells)
    if not found:
        raise ConfigError("MANIFEST", str(manifest), "no recording of at most 30 s has word_times")
    lines = [list(found[0]), ["---"] * len(found[0]), *(list(row.values()) for row in found)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _describe(entry: ModelEntry, found: Calibration) -> str:
    heads = ", ".join(f"[{layer}, {head}]" for layer, head in found.heads)
    lines = [f"{entry.name}: heads [{heads}] from {found.n_recordings} recordings"]
    if found.lead_s is None:
        lines.append("lead_s stays as it is: no recording has word_times")
    else:
        lines += [f"lead_s {found.lead_s}", f"before: {_line(found.before)}", f"now:    {_line(found.after)}"]
    return "\n".join(lines)


def _line(errors: TimeErrors) -> str:
    figures = errors.summary()
    return ", ".join(
        f"{side}s median {figures[f'{side}_median_ms'] or 0:.0f} ms,"
        f" {figures[f'{side}_within_200_ms'] or 0:.0%} within 200 ms"
        for side in ("start", "end")
    )
