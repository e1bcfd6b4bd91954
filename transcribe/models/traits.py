"""What an entry says of its own network: how its attention tells the time, how it is asked, its bounds."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator

from transcribe.models.sources import Strict

PLACEHOLDERS = frozenset({"language", "language_name"})
Head = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class Traits(Strict):
    """None is needed: None leaves it to the engine. Those with figures are measured.

    ``frame_s``: seconds of audio an encoder frame stands for. ``lead_s``: attention moves on to a word this
    much before it is heard. ``heads``: (layer, head) pairs whose attention tells the time; without them the
    checkpoint's own, else the best of each utterance. ``max_tokens_per_s``: a longer text is cut off: no one
    speaks so fast, a loop does. ``prompt``: what an instruction-style model is asked with, special tokens and
    the one that stands for the audio included; ``{language}`` becomes the code of the chunk's language (en),
    ``{language_name}`` its English name (English). None: its processor's own transcription request.
    ``answer``: a regular expression that its whole answer matches (``.`` is any character), whose group
    ``text`` is what was said; an answer that is none has no text. None: the whole answer.
    """

    frame_s: float | None = Field(default=None, gt=0, le=1)
    lead_s: float | None = Field(default=None, ge=-1, le=1)
    heads: tuple[Head, ...] | None = Field(default=None, min_length=1)
    max_tokens_per_s: float | None = Field(default=None, gt=0)
    prompt: str | None = Field(default=None, min_length=1)
    answer: str | None = None

    @field_validator("prompt")
    @classmethod
    def _names_what_is_filled_in(cls, prompt: str | None) -> str | None:
        if strange := set(re.findall(r"\{(\w+)\}", prompt or "")) - PLACEHOLDERS:
            known = ", ".join(f"{{{name}}}" for name in sorted(PLACEHOLDERS))
            raise ValueError(f"{{{min(strange)}}} is not filled in; known: {known}")
        return prompt

    @field_validator("answer")
    @classmethod
    def _has_a_text(cls, answer: str | None) -> str | None:
        if answer is not None:
            try:
                groups = re.compile(answer).groupindex
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from None
            if "text" not in groups:
                raise ValueError("needs a group (?P<text>…): what of the answer was said")
        return answer

    @property
    def given(self) -> frozenset[str]:
        return frozenset(name for name, value in self if value is not None)
