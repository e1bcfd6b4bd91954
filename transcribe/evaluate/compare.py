"""Several systems on the same recordings: error rates, words where nobody speaks, word times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from transcribe.evaluate.reference import Reference
from transcribe.evaluate.timing import TimeErrors, compare_word_times, groups
from transcribe.evaluate.word_error import ErrorCount, count_errors, tokens

GROUPS: dict[str, Callable[[Reference], bool]] = {
    "over all": lambda reference: not reference.loose,
    "exact references only": lambda reference: reference.quality == "exact",
    "loose, with free ends (in no other line)": lambda reference: reference.loose,
}


@dataclass(frozen=True)
class Answer:
    """What a system made of one file; ``error`` says why there is no text."""

    text: str = ""
    words: tuple[tuple[float, float, str], ...] = ()  # start_s, end_s, word; none where it gives no times
    error: str = ""


Answers = Mapping[str, Answer]
"""Of one system, by the reference's file; a file that is not there was not answered."""


@dataclass(frozen=True)
class Comparison:
    """Rows for tables: each names a group or a kind of gold times, and a system."""

    n_scored: int  # references that every system answered
    left_out: list[str]  # files with a reference that some system did not answer
    rates: dict[str, dict[str, ErrorCount]] = field(default_factory=dict)  # group → system
    invented: dict[str, dict[str, str]] = field(default_factory=dict)  # system → file → text
    word_times: dict[str, dict[str, TimeErrors]] = field(default_factory=dict)  # see timing.groups


def compare(
    references: Sequence[Reference], systems: Mapping[str, Answers], spell_numbers: bool = False
) -> Comparison:
    """Only files that every system answered are scored. ``spell_numbers``: 7 and sept are the same."""
    unread = {
        reference.file
        for reference in references
        for answers in systems.values()
        if answers.get(reference.file, Answer(error="not answered")).error
    }
    scored = [r for r in references if r.text and r.file not in unread]
    counts = {
        r.file: {name: _count(r, answers[r.file], spell_numbers) for name, answers in systems.items()}
        for r in scored
    }
    return Comparison(
        n_scored=len(scored),
        left_out=[r.file for r in references if r.text and r.file in unread],
        rates={
            group: {name: sum((counts[file][name] for file in files), ErrorCount()) for name in systems}
            for group, files in _groups(scored).items()
        },
        invented={name: _invented(references, answers) for name, answers in systems.items()},
        word_times=_word_times(references, systems),
    )


def _count(reference: Reference, answer: Answer, spell_numbers: bool) -> ErrorCount:
    return count_errors(
        reference.text or "",
        answer.text,
        reference.language,
        free_ends=reference.loose,
        spell_numbers=spell_numbers,
    )


def _groups(scored: Sequence[Reference]) -> dict[str, list[str]]:
    """Files of ``GROUPS``, then of each language without loose references; none that is empty."""
    groups = {group: [r.file for r in scored if holds(r)] for group, holds in GROUPS.items()}
    for language in sorted({r.language for r in scored}):
        groups[language] = [r.file for r in scored if r.language == language and not r.loose]
    return {group: files for group, files in groups.items() if files}


def _invented(references: Sequence[Reference], answers: Answers) -> dict[str, str]:
    """File → what was written although nobody speaks there."""
    texts = {r.file: answers.get(r.file, Answer()).text for r in references if r.speechless}
    return {file: text for file, text in texts.items() if tokens(text, "")}


def _word_times(
    references: Sequence[Reference], systems: Mapping[str, Answers]
) -> dict[str, dict[str, TimeErrors]]:
    found: dict[str, dict[str, TimeErrors]] = {}
    for reference in references:
        if not reference.word_times:
            continue
        for name, answers in systems.items():
            words = answers.get(reference.file, Answer()).words
            if words:
                errors = compare_word_times(reference.word_times, words, reference.language)
                for group in groups(reference.word_times_source, reference.language):
                    cell = found.setdefault(group, {})
                    cell[name] = cell.get(name, TimeErrors()) + errors
    return found
