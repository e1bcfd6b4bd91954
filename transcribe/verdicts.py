"""Is a text believed, and if not, why: every verdict and every doubt, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(str, Enum):
    """What became of a hypothesis."""

    OK = "ok"
    REPAIRED = "repaired"
    DOUBTFUL = "doubtful"
    REJECTED = "rejected"

    def __str__(self) -> str:
        return str(self.value)

    @property
    def meaning(self) -> str:
        """In a line, for people."""
        return _STATUS_MEANS[self]

    @classmethod
    def of(cls, verdict: str) -> Status:
        """The status in a verdict as tables hold it, such as ``rejected:loop``."""
        return cls(verdict.partition(":")[0])


_STATUS_MEANS = {
    Status.OK: "believed at once",
    Status.REPAIRED: "doubted at first (for the reason), believed when decoded again",
    Status.DOUBTFUL: "still doubted; published all the same",
    Status.REJECTED: "not believed; kept, but left out of the text",
}


class Doubt(str, Enum):
    """Why a hypothesis is not believed."""

    NO_WORDS = "no_words"
    LOW_LOGPROB = "low_logprob"
    TOO_FEW_WORDS = "too_few_words"
    MISSED_SPEECH = "missed_speech"
    LOOP = "loop"
    TOO_MANY_CHARACTERS = "too_many_characters"
    NO_SPEECH = "no_speech"
    NO_SCORE = "no_score"
    ECHO = "echo"
    LANGUAGE = "language"

    def __str__(self) -> str:
        return str(self.value)

    @property
    def meaning(self) -> str:
        """In a line, for people."""
        return _DOUBT_MEANS[self]

    @property
    def publishable(self) -> bool:
        """Is a text of this doubt doubtful rather than rejected?"""
        return self in (
            *(Doubt.NO_WORDS, Doubt.LOW_LOGPROB, Doubt.TOO_FEW_WORDS, Doubt.MISSED_SPEECH),
            Doubt.LANGUAGE,
        )

    @property
    def lost(self) -> bool:
        """Has the decoder lost its way, so that the chunk is decoded in parts at once?

        With full context it mostly loses its way at the same place, and 30 s of context cost more than all
        the parts.
        """
        return self in (Doubt.TOO_FEW_WORDS, Doubt.MISSED_SPEECH, Doubt.LOOP, Doubt.TOO_MANY_CHARACTERS)


_DOUBT_MEANS = {
    Doubt.NO_WORDS: "no text for what sounds like speech",
    Doubt.LOW_LOGPROB: "the model itself finds the text improbable",
    Doubt.TOO_FEW_WORDS: "the words cover too little of the speech",
    Doubt.MISSED_SPEECH: "a long stretch of the speech has no words",
    Doubt.LOOP: "a phrase repeated more often, or faster, than anybody says it",
    Doubt.TOO_MANY_CHARACTERS: "more text than can be said in the time",
    Doubt.NO_SPEECH: "the model hears no speech and finds the text improbable",
    Doubt.NO_SCORE: "the model's score is no number",
    Doubt.ECHO: "another channel's words, heard on this one",
    Doubt.LANGUAGE: "it sounds like another language than it was decoded in (`language_heard`), or is too"
    " short to tell it from the next likeliest (`language_alternatives`): give a hint and run it again",
}


@dataclass(frozen=True)
class Verdict:
    """A status and, unless it is ``ok``, the doubt behind it; ``str`` of it is what tables hold."""

    status: Status
    reason: Doubt | None = None

    @classmethod
    def parse(cls, text: str) -> Verdict:
        """Of ``str(verdict)``. Raises ValueError for anything else."""
        status, _, reason = text.partition(":")
        verdict = cls(Status(status), Doubt(reason) if reason else None)
        if (verdict.reason is None) != (verdict.status is Status.OK):
            raise ValueError(f"{text!r} is no verdict")
        return verdict

    @property
    def published(self) -> bool:
        return self.status is not Status.REJECTED

    def __str__(self) -> str:
        return f"{self.status}:{self.reason}" if self.reason else str(self.status)
