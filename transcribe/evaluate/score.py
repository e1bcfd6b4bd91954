"""One system's answer for one recording against its reference: every count that a report is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from rapidfuzz.distance import Levenshtein

from transcribe.evaluate.digits import digits
from transcribe.evaluate.punctuation import Matches, compare_writing
from transcribe.evaluate.reference import Reference
from transcribe.evaluate.timing import TimeErrors, compare_word_times
from transcribe.evaluate.word_error import ErrorCount, Normaliser, best_span, tokens, without_remarks
from transcribe.types import Failure, Transcript, Utterance

MIN_DIGITS = 2
"""A reference with fewer is not about numbers: a "one" in it may be any word."""

_NONE = "\0"
"""No token: what an alignment puts in its place."""

Tokens = Sequence[str]
Pair = tuple[Tokens, Tokens]
"""Reference's, hypothesis'."""

Edit = tuple[str, str, str]
"""substitution, deletion or insertion; reference's words, hypothesis' words."""


@dataclass(frozen=True)
class Score:
    """Counts of one recording; a failure, and a recording whose reference is unknown, has none."""

    text: str = ""
    error: str = ""  # why there is no transcript, or no count
    words: ErrorCount | None = None  # by the normaliser's tokens; None: what is said is unknown
    characters: ErrorCount | None = None  # only their sum: substitutions stand for all
    digits: ErrorCount | None = None  # the same; None: the reference has fewer than MIN_DIGITS
    speakers: ErrorCount | None = None  # of the best assignment of speakers or channels (cpWER)
    swapped: int = 0  # errors fewer if channels could be exchanged
    edits: tuple[Edit, ...] = ()
    marks: Matches = field(default_factory=Matches)
    capitals: Matches = field(default_factory=Matches)
    times: TimeErrors = field(default_factory=TimeErrors)
    language: str | None = None  # that was found; None: it was given
    n_invented: int = 0  # words where nobody speaks
    speechless_s: float = 0.0  # audio in which nobody speaks


def score(reference: Reference, answer: Transcript | Failure, normalise: Normaliser) -> Score:
    """Count the errors of ``answer``: all its words where the reference is empty, since then nobody speaks.

    Whatever the normaliser or a library raises becomes the score's ``error``: it must not cost the figures of
    the other recordings. Needs the extra ``evaluate``.
    """
    if isinstance(answer, Failure):
        return Score(error=answer.error)
    try:
        return _scored(reference, answer, normalise)
    except ImportError:  # the extra is missing: nothing can be scored
        raise
    except Exception as error:
        return Score(answer.text, error=f"not_scored: {error!r}"[:300])


def _scored(reference: Reference, answer: Transcript, normalise: Normaliser) -> Score:
    found = answer.language if answer.language_source == "vote" else None
    if reference.speechless:
        n_invented = len(tokens(answer.text, answer.language))
        return Score(answer.text, language=found, n_invented=n_invented, speechless_s=answer.duration_s)
    if not _is_known(reference):
        return Score(answer.text, language=found)
    pairs = _pairs(reference, answer, normalise)
    counts, edits = zip(*(_count(wanted, heard) for wanted, heard in pairs), strict=True)
    characters = [_distance(" ".join(w), " ".join(h)) for w, h in pairs]
    errors = sum(counts, ErrorCount())
    speakers = _speaker_errors(reference, answer, pairs, normalise)
    n_swapped = errors.errors - speakers.errors if speakers and reference.channel_texts else 0
    marks, capitals = compare_writing(
        without_remarks(reference.text or ""), without_remarks(answer.text), reference.language
    )
    return Score(
        answer.text,
        words=errors,
        characters=sum(characters, ErrorCount()),
        digits=_digit_errors(reference, answer),
        speakers=speakers,
        swapped=max(0, n_swapped),
        edits=tuple(edit for some in edits for edit in some),
        marks=Matches() if reference.loose else marks,
        capitals=Matches() if reference.loose else capitals,
        times=_times(reference, answer),
        language=found,
    )


def _is_known(reference: Reference) -> bool:
    """Return True if the reference says what is said; an empty text says that nothing is."""
    return reference.text is not None or bool(reference.channel_texts or reference.speaker_texts)


def _pairs(reference: Reference, answer: Transcript, normalise: Normaliser) -> list[Pair]:
    """(reference's, hypothesis') tokens of each channel that has a reference of its own, else of all; of
    speakers where no text holds all that they say."""
    language = reference.language
    if reference.channel_texts:
        return [
            (normalise(text, language), normalise(_said(answer, channel), language))
            for channel, text in enumerate(reference.channel_texts)
        ]
    if reference.speaker_texts and not reference.text:
        return _by_speaker(reference, answer, normalise)
    wanted, heard = normalise(reference.text or "", language), normalise(answer.text, language)
    if reference.loose:
        start, end = best_span(wanted, heard)
        heard = heard[start:end]
    return [(wanted, heard)]


def _speaker_errors(
    reference: Reference, answer: Transcript, pairs: Sequence[Pair], normalise: Normaliser
) -> ErrorCount | None:
    """None where the reference does not tell channels or speakers apart."""
    if reference.speaker_texts:
        pairs = _by_speaker(reference, answer, normalise)
    elif reference.channel_texts:
        pairs = assign_speakers(*zip(*pairs, strict=True))
    else:
        return None
    return sum((_count(wanted, heard)[0] for wanted, heard in pairs), ErrorCount())


def _by_speaker(reference: Reference, answer: Transcript, normalise: Normaliser) -> list[Pair]:
    said: dict[str, list[str]] = {}
    for utterance in _published(answer):
        said.setdefault(utterance.speaker, []).append(utterance.text)
    heard = [normalise(" ".join(texts), reference.language) for texts in said.values()]
    return assign_speakers([normalise(text, reference.language) for text in reference.speaker_texts], heard)


def assign_speakers(wanted: Sequence[Tokens], heard: Sequence[Tokens]) -> list[Pair]:
    """Pair each speaker of the reference with one of the hypothesis so that errors are fewest (cpWER).

    ``wanted`` has at least one. Whoever is left over, on either side, is paired with nothing: all its tokens
    are deleted or inserted.
    """
    from meeteval.wer import cp_word_error_rate

    sides = ([" ".join(tokens) for tokens in side] for side in (wanted, heard))
    found = cp_word_error_rate(*sides, reference_sort=False, hypothesis_sort=False)
    return [
        (() if of_wanted is None else wanted[of_wanted], () if of_heard is None else heard[of_heard])
        for of_wanted, of_heard in found.assignment
    ]


def _said(answer: Transcript, channel: int) -> str:
    return " ".join(u.text for u in _published(answer) if u.channel == channel)


def _published(answer: Transcript) -> Iterator[Utterance]:
    return (utterance for utterance in answer.utterances if utterance.published)


def _count(wanted: Sequence[str], heard: Sequence[str]) -> tuple[ErrorCount, list[Edit]]:
    """As NIST sclite aligns: a substitution weighs 4, a deletion or insertion 3."""
    import kaldialign

    pairs = kaldialign.align(list(wanted), list(heard), _NONE, sclite_mode=True)
    edits: list[Edit] = []
    n: Counter[str] = Counter()
    for kind, run in groupby(pairs, key=_kind):
        stretch = list(run)
        n[kind] += len(stretch)
        if kind != "equal":
            sides = (
                " ".join(token for token in side if token != _NONE) for side in zip(*stretch, strict=True)
            )
            edits.append((kind, *sides))  # type: ignore[arg-type]
    return ErrorCount(n["substitution"], n["deletion"], n["insertion"], len(wanted)), edits


def _kind(pair: tuple[str, str]) -> str:
    wanted, heard = pair
    if wanted == heard:
        return "equal"
    return "insertion" if wanted == _NONE else "deletion" if heard == _NONE else "substitution"


def _distance(wanted: Sequence[str], heard: Sequence[str]) -> ErrorCount:
    return ErrorCount(substitutions=Levenshtein.distance(wanted, heard), n_reference=len(wanted))


def _digit_errors(reference: Reference, answer: Transcript) -> ErrorCount | None:
    """On all channels together; a loose reference has none, since what stands around it may hold digits."""
    return None if reference.loose else digit_errors(reference.whole_text, answer.text, reference.language)


def digit_errors(reference: str, hypothesis: str, language: str) -> ErrorCount | None:
    """Count wrong digits, however they are read and grouped; None if the reference has too few to tell.

    Remarks in brackets hold no digits, as they hold no words.
    """
    wanted, heard = (digits(without_remarks(text), language) for text in (reference, hypothesis))
    return _distance(wanted, heard) if len(wanted) >= MIN_DIGITS else None


def _times(reference: Reference, answer: Transcript) -> TimeErrors:
    if not reference.word_times:
        return TimeErrors()
    words = [(w.start_s, w.end_s, w.text) for u in _published(answer) for w in u.words]
    return compare_word_times(reference.word_times, sorted(words), reference.language)


def as_columns(score: Score) -> dict[str, Any]:
    """The columns of the table ``evaluations`` that are of the score."""
    words = score.words or ErrorCount()
    characters, digits_ = score.characters or ErrorCount(), score.digits or ErrorCount()
    speakers = score.speakers or ErrorCount()
    return {
        "text": score.text,
        "error": score.error,
        "n_words": words.n_reference if score.words else None,
        "substitutions": words.substitutions,
        "deletions": words.deletions,
        "insertions": words.insertions,
        "n_characters": characters.n_reference,
        "character_errors": characters.errors,
        "n_digits": digits_.n_reference,
        "digit_errors": digits_.errors,
        "swapped": score.swapped,
        "n_speaker_words": speakers.n_reference,
        "speaker_errors": speakers.errors,
        "edits": [dict(zip(("kind", "reference", "hypothesis"), edit, strict=True)) for edit in score.edits],
        "marks": vars(score.marks),
        "capitals": vars(score.capitals),
        "n_timed_words": score.times.n_gold,
        "start_errors_s": list(score.times.starts_s),
        "end_errors_s": list(score.times.ends_s),
        "language_found": score.language,
        "n_invented": score.n_invented,
        "speechless_s": score.speechless_s,
    }
