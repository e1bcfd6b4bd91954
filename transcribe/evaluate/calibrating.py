"""The calibrate command: a model's heads and lead, or how exact each way to take word times from it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from transcribe.alignment import hmm
from transcribe.alignment.recipe import Reading
from transcribe.config import Config
from transcribe.engines.base import Reader
from transcribe.engines.loading import choose_device, load
from transcribe.errors import ConfigError, InferenceError
from transcribe.evaluate.calibrate import Calibration, aligned_words, calibrate, readings
from transcribe.evaluate.reference import Reference
from transcribe.evaluate.reference import load as load_references
from transcribe.evaluate.timing import Cells, TimedText, TimeErrors, compare_word_times, groups, rows
from transcribe.layers import shipped
from transcribe.models.editing import set_traits
from transcribe.models.registry import ModelEntry, Registry
from transcribe.types import Samples

WORKS_WITH = "recordings of at most 30 s whose reference_text holds all that is said"


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
