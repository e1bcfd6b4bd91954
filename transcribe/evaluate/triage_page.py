"""The findings of a triage as a page and as text."""

from __future__ import annotations

from typing import Any

from transcribe.evaluate.triage import Findings, Tried
from transcribe.languages import UNSPACED
from transcribe.pages.page import render
from transcribe.tables.word_diff import differing_words
from transcribe.words import split_words


def triage_page(found: Findings) -> str:
    wanted = found.truth if found.truth is not None else (found.tried[0].text if found.tried else "")
    return render(
        "triage.j2",
        **{name: getattr(found, name) for name in ("recording", "truth", "facts", "warnings", "votes")},
        conclusion=found.conclusion,
        stage=found.stage,
        why=found.why,
        tried=[_shown(one, wanted, found.tried[0].text) for one in found.tried],
    )


def as_text(found: Findings) -> str:
    """A line a fact, a line a variant, and where it goes wrong."""
    lines = [f"{name:20} {value}" for name, value in found.facts.items()]
    lines += [f"{'warning':20} {warning}" for warning in found.warnings]
    for vote in found.votes:
        probs = ", ".join(f"{name} {prob:.0%}" for name, prob in vote.probs)
        lines.append(
            f"{'language':20} channel {vote.channel}, {vote.start_s:.1f}-{vote.end_s:.1f} s: {probs}"
        )
    for one in found.tried:
        told = f"{one.errors.errors} of {one.errors.n_reference} words differ"
        told += f", {one.digits.errors} of {one.digits.n_reference} digits" if one.digits else ""
        lines.append(f"{one.variant.name:20} {one.failure.error if one.failure else told}")
    lines.append(f"{found.conclusion:20} {found.stage}: {found.why}")
    return "\n".join(lines)


def _shown(one: Tried, wanted: str, first: str) -> dict[str, Any]:
    transcript = one.transcript
    utterances = transcript.utterances if transcript else ()
    doubts = sorted({u.verdict for u in utterances if u.verdict != "ok"})
    return {
        "name": one.variant.name,
        "stage": one.variant.stage,
        "failure": one.failure,
        "errors": one.errors,
        "digits": one.digits,
        "model_language": transcript.language if transcript else "",
        "speech_s": transcript.coverage.speech_s if transcript else 0.0,
        "covered_s": transcript.coverage.covered_s if transcript else 0.0,
        "verdicts": ", ".join(doubts),
        "is_same": bool(one.variant.settings or one.variant.drop_hint or one.variant.hint)
        and one.text == first,
        "words": _marked(one.text, wanted, transcript.language if transcript else ""),
        "space": "" if transcript and transcript.language in UNSPACED else " ",
    }


def _marked(text: str, wanted: str, language: str) -> list[tuple[str, bool]]:
    """Return each word, and whether the wanted text has another one there; case and punctuation apart."""
    words = split_words(text, language)
    _, differs = differing_words(split_words(wanted, language), words, language)
    return [(word, n in differs) for n, word in enumerate(words)]
