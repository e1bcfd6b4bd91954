"""What an entry says of its own network: how its attention tells the time, and what bounds its texts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from transcribe.models.sources import Strict

Head = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class Traits(Strict):
    """All are measured, none is needed: None leaves it to the engine.

    ``frame_s``: seconds of audio an encoder frame stands for. ``lead_s``: attention moves on to a word this
    much before it is heard. ``heads``: (layer, head) pairs whose attention tells the time; without them the
    checkpoint's own, else the best of each utterance. ``max_tokens_per_s``: a longer text is cut off: no one
    speaks so fast, a loop does.
    """

    frame_s: float | None = Field(default=None, gt=0, le=1)
    lead_s: float | None = Field(default=None, ge=-1, le=1)
    heads: tuple[Head, ...] | None = Field(default=None, min_length=1)
    max_tokens_per_s: float | None = Field(default=None, gt=0)

    @property
    def given(self) -> frozenset[str]:
        return frozenset(name for name, value in self if value is not None)
