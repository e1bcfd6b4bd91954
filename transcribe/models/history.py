"""What is known of a model beside its files: what was measured, and what was decided."""

from __future__ import annotations

from datetime import date as date_type
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from transcribe.models.sources import Strict

Date = Annotated[
    str,
    BeforeValidator(lambda value: value.isoformat() if isinstance(value, date_type) else value),
    Field(pattern=r"^\d{4}-\d{2}-\d{2}$"),
]


class Measurement(Strict):
    """On a data set, that day. ``wer``: word errors a word; ``cost``: core seconds a second of audio, by
    which nights are balanced."""

    date: Date
    data: str
    wer: float | None = Field(default=None, ge=0)
    cost: float | None = Field(default=None, gt=0)

    def __str__(self) -> str:
        wer = [] if self.wer is None else [f"WER {self.wer:.2%}"]
        cost = [] if self.cost is None else [f"{self.cost:.3g} s a second"]
        return f"{', '.join(wer + cost) or 'nothing'} ({self.data}, {self.date})"


class Event(Strict):
    """``instead_of``: the model whose routes it got, and that they go back to; ``gate``: what it said."""

    date: Date
    did: Literal["added", "promoted", "rolled back"]
    revision: str
    reason: str
    gate: str = ""
    instead_of: str | None = None

    def __str__(self) -> str:
        other = f" instead of {self.instead_of}" if self.instead_of else ""
        return f"{self.date} {self.did} {self.revision[:12]}{other}: {self.reason}"
