"""Error rates, invented words, word times and speed, side by side with faster-whisper on the same weights.

    python scripts/compare.py REFERENCES.jsonl --output DIR [--weights base] [--language identify] …

REFERENCES.jsonl is a manifest of references (``transcribe/evaluate/reference.py``); DIR is the output of a
finished job over the same recordings. ``--language hint`` tells the peers the language that the manifest
knows: use it for a job whose manifest carried those hints (``job_manifest.py --hints yes``), and
``identify`` for one whose manifest carried none.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from compare_markdown import render
from deltalake import DeltaTable
from peers import Answer, Pipeline

from transcribe.evaluate.reference import Reference, load
from transcribe.evaluate.timing import TimeErrors, compare_word_times
from transcribe.evaluate.word_error import ErrorCount, count_errors, tokens
from transcribe.models.cache import fetch
from transcribe.models.registry import DEFAULT_PATH, Registry
from transcribe.storage.s3 import S3Options
from transcribe.tables.delta import dataset
from transcribe.verdicts import Status

GROUPS: dict[str, Callable[[Reference], bool]] = {
    "over all": lambda reference: not reference.loose,
    "exact references only": lambda reference: reference.quality == "exact",
    "loose, with free ends (in no other line)": lambda reference: reference.loose,
}


@dataclass(frozen=True)
class System:
    """One column of the tables."""

    name: str
    answers: dict[str, Answer]  # by file name
    timed: dict[str, Answer]  # with word times; may come from another run
    audio_s: float
    wall_s: float
    wall_holds: str  # what the time is the time of


def _table(uri: str) -> list[dict]:
    return dataset(DeltaTable(uri), uri, S3Options()).to_table().to_pylist()


def published(output: str, references: list[Reference]) -> System:
    """The current rows of a finished job, matched to references by recording_id or by the uri's file name."""
    files = {reference.file for reference in references}

    def rows(table: str) -> list[tuple[str, dict]]:
        found = _table(f"{output}/{table}")
        return [
            (row["recording_id"] if row["recording_id"] in files else row["uri"].rsplit("/", 1)[-1], row)
            for row in found
        ]

    answers = {}
    run_ids = set()
    for file, row in rows("transcripts"):
        words = tuple(
            (word["start_s"], word["end_s"], word["text"])
            for utterance in row["utterances"]
            for word in utterance["words"]
            if Status.of(utterance["verdict"]) is not Status.REJECTED
        )
        answers[file] = Answer(row["text"], words, row["duration_s"])
        run_ids.add(row["run_id"])
    if DeltaTable.is_deltatable(f"{output}/failures"):
        for file, row in rows("failures"):
            answers[file] = Answer(error=f"{row['error']}: {row['message']}")
    runs = _table(f"{output}/runs")
    ran = [row for row in runs if row["run_id"] in run_ids]
    audio_s, wall_s = sum(row["audio_s"] for row in ran), sum(row["wall_s"] for row in ran)
    holds = "the whole job: planning, all stages, model load and publishing, without the session's start"
    return System("this project", answers, answers, audio_s, wall_s, holds)


def weights_folder(name: str) -> Path:
    """A folder of weights as it is; else the verified files of that model in the registry."""
    if (Path(name) / "model.bin").is_file():
        return Path(name)
    return fetch(Registry.load(DEFAULT_PATH).get(name))


def peer(pipeline: Pipeline, timed: Pipeline, references: list[Reference], cache: Path | None) -> System:
    """A peer's answers. Text is from its default setting; word times from a run of their own, which the
    recordings with gold times alone need."""
    answers = pipeline.answer(references, cache)
    with_gold = [reference for reference in references if reference.word_times]
    done = [answer for answer in answers.values() if not answer.error]
    return System(
        pipeline.name,
        answers,
        timed.answer(with_gold, cache),
        sum(answer.audio_s for answer in done),
        sum(answer.wall_s for answer in done),
        "decoding the file and transcribing it, file after file, without model load and word times",
    )


Counts = dict[str, dict[str, ErrorCount]]
"""First a file or a group of files, then a system."""


def count_by_file(references: list[Reference], systems: list[System], spell_numbers: bool) -> Counts:
    return {
        reference.file: {
            system.name: count_errors(
                reference.text or "",
                system.answers[reference.file].text,
                reference.language,
                free_ends=reference.loose,
                spell_numbers=spell_numbers,
            )
            for system in systems
        }
        for reference in references
    }


def count_by_group(references: list[Reference], by_file: Counts) -> Counts:
    """Sums over each language (without loose references), then over each of GROUPS."""
    languages = sorted({reference.language for reference in references if not reference.loose})
    members = {
        language: [r.file for r in references if r.language == language and not r.loose]
        for language in languages
    }
    members |= {group: [r.file for r in references if holds(r)] for group, holds in GROUPS.items()}
    return {
        group: {
            name: sum((by_file[file][name] for file in files), ErrorCount()) for name in by_file[files[0]]
        }
        for group, files in members.items()
        if files
    }


def word_times(references: list[Reference], systems: list[System]) -> dict[str, dict[str, TimeErrors]]:
    """How the gold times were made → system → errors."""
    found: dict[str, dict[str, TimeErrors]] = {}
    for reference in references:
        if not reference.word_times:
            continue
        cell = found.setdefault(reference.word_times_source, {})
        for system in systems:
            answer = system.timed.get(reference.file, Answer())
            errors = compare_word_times(reference.word_times, answer.words, reference.language)
            cell[system.name] = cell.get(system.name, TimeErrors()) + errors
    return found


def invented(references: list[Reference], system: System) -> dict[str, str]:
    """File → what the system wrote although nobody speaks there."""
    texts = {r.file: system.answers.get(r.file, Answer()).text for r in references if r.speechless}
    return {file: text for file, text in texts.items() if tokens(text, "")}


def compare(references: list[Reference], systems: list[System], spell_numbers: bool) -> dict:
    """Everything that the tables show, as plain data. Only files that every system answered are scored."""
    no_row = Answer(error="no row: not part of the job")
    missing = {
        system.name: {
            reference.file: error
            for reference in references
            if (error := system.answers.get(reference.file, no_row).error)
        }
        for system in systems
    }
    unread = {file for files in missing.values() for file in files}
    scored = [reference for reference in references if reference.text and reference.file not in unread]
    by_file = {"as written": count_by_file(scored, systems, False)}
    if spell_numbers:
        by_file["numbers spelled out"] = count_by_file(scored, systems, True)
    return {
        "n_scored": len(scored),
        "left_out": [r.file for r in references if r.text and r.file in unread],
        "missing": missing,
        "error_rates": {form: _plain(count_by_group(scored, counts)) for form, counts in by_file.items()},
        "files": _plain(by_file["as written"]),
        "n_speechless": sum(reference.speechless for reference in references),
        "invented": {system.name: invented(references, system) for system in systems},
        "word_times": {
            source: {name: errors.summary() for name, errors in cell.items()}
            for source, cell in word_times(references, systems).items()
        },
        "speed": {
            system.name: {
                "audio_s": round(system.audio_s, 1),
                "wall_s": round(system.wall_s, 1),
                "rtfx": round(system.audio_s / system.wall_s, 2) if system.wall_s else None,
                "wall_holds": system.wall_holds,
            }
            for system in systems
        },
    }


def _plain(counts: Counts) -> dict:
    return {
        group: {name: {**asdict(count), "rate": round(count.rate, 4)} for name, count in cell.items()}
        for group, cell in counts.items()
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("references", type=Path, help="manifest of references (JSONL)")
    parser.add_argument("--output", help="output folder of a finished job; left out: the peers alone")
    parser.add_argument(
        "--peers", nargs="*", choices=["batched", "sequential"], default=["batched", "sequential"]
    )
    parser.add_argument(
        "--weights",
        default="base",
        help="what the job used: a model of conf/models, or a folder of weights",
    )
    parser.add_argument(
        "--language", choices=["hint", "identify"], default="hint", help="what peers are told"
    )
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument(
        "--spell-numbers", action="store_true", help="a second table: 7 and sept are the same"
    )
    parser.add_argument("--cache", type=Path, help="folder that keeps the peers' answers")
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--markdown", type=Path, help="write the tables here")
    options = parser.parse_args(arguments)
    if not options.peers and not options.output:
        parser.error("nothing to compare: give --output, --peers or both")
    references = load(options.references)
    systems = [published(options.output, references)] if options.output else []
    weights = weights_folder(options.weights) if options.peers else None
    for name in options.peers:
        plain, timed = (
            Pipeline(
                batched=name == "batched",
                weights=weights,
                beam_size=options.beam,
                threads=options.threads,
                hints=options.language == "hint",
                word_times=with_times,
            )
            for with_times in (False, True)
        )
        systems.append(peer(plain, timed, references, options.cache))
    results = compare(references, systems, options.spell_numbers)
    results["peers"] = {"language": options.language, "beam": options.beam, "threads": options.threads}
    tables = render(results)
    sys.stdout.write(tables)
    if options.json:
        options.json.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(tables)
    return 0


if __name__ == "__main__":
    sys.exit(main())
