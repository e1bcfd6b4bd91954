"""How far word times are from gold ones, for each way to take them from a model's attention.

``python -m transcribe.evaluate.timing_report NAME MANIFEST`` has the model read each reference text beside
its recording, so that only times differ, and prints a table by the kind of gold times and by language: the
model's heads and those chosen for the utterance, pauses left out or given to words, and, where it knows the
language, a forced aligner on the same text. Recordings as ``calibrate`` takes them, with ``word_times``.
Whole systems, with the texts that they hear, are set side by side by ``scripts/benchmark``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from transcribe import config as configuration
from transcribe.alignment import hmm
from transcribe.alignment.recipe import Reading
from transcribe.engines.base import Reader
from transcribe.engines.loading import choose_device, load
from transcribe.errors import ConfigError, InferenceError, TranscribeError
from transcribe.evaluate.calibrate import aligned_words, readings
from transcribe.evaluate.reference import Reference
from transcribe.evaluate.reference import load as load_references
from transcribe.evaluate.timing import Cells, TimedText, TimeErrors, compare_word_times, groups, rows
from transcribe.models.registry import Registry
from transcribe.types import Samples


def measure(name: str, references: Sequence[Reference], overrides: Sequence[str] = ()) -> Cells:
    """Raises ``ConfigError`` where the model gives no attention, ``ModelError`` where it cannot be loaded."""
    settings = configuration.load([], list(overrides))
    entry = Registry.of(settings).get(name, "NAME")
    engine = load(entry, settings, choose_device(settings, n_cores=1))
    cells: dict[str, dict[str, TimeErrors]] = {}
    try:
        if not isinstance(engine, Reader):
            raise ConfigError("NAME", name, f"the engine {entry.engine} gives no attention; use seq2seq")
        timed = [one for one in references if one.word_times]
        for reference, samples, reading in readings(engine, timed, settings):
            for way, words in _ways(reference, samples, reading):
                errors = compare_word_times(reference.word_times, words, reference.language)
                for group in groups(reference.word_times_source, reference.language):
                    cell = cells.setdefault(group, {})
                    cell[way] = cell.get(way, TimeErrors()) + errors
    finally:
        engine.close()
    return cells


def _ways(
    reference: Reference, samples: Samples, reading: Reading
) -> Iterator[tuple[str, Sequence[TimedText]]]:
    """Each way's name, and its words on the recording's clock."""
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


def main(arguments: Sequence[str] | None = None) -> int:
    summary = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m transcribe.evaluate.timing_report", description=summary)
    parser.add_argument("name", metavar="NAME", help="a model of the engine seq2seq")
    parser.add_argument("manifest", type=Path, help="references with word_times")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting")
    options = parser.parse_args(arguments)
    try:
        found = rows(measure(options.name, load_references(options.manifest), options.set))
        if not found:
            raise ConfigError(
                "MANIFEST", str(options.manifest), "no recording of at most 30 s has word_times"
            )
    except TranscribeError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    lines = [list(found[0]), ["---"] * len(found[0]), *(list(row.values()) for row in found)]
    print("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
