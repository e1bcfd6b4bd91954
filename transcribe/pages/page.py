"""Templates to pages. Everything that comes from outside is escaped."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from transcribe.escape import printable

RECORDING = "recording"
"""Name of the ``meta`` in the head of a page about one recording that holds its id."""


def render(template: str, **data: Any) -> str:
    """The page that a template beside this file makes of ``data``; a name that is missing raises."""
    return _environment().get_template(template).render(**data)


def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(lambda name: resources.files(__package__).joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(as_json=as_json, percent=percent, hours=hours, number=number, clock=clock)
    environment.filters.update(printable=printable)
    return environment


def as_json(value: Any) -> Markup:
    """For a ``<script>``: no text in it can end it."""
    text = json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
    return Markup(text.replace("\u2029", "\\u2029"))


def percent(value: float | None, decimals: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{decimals}f} %"


def hours(seconds: float) -> str:
    """In the unit that fits."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def number(value: float | None, decimals: int = 0) -> str:
    return "–" if value is None else f"{value:,.{decimals}f}"


def clock(time_s: float) -> str:
    """Minutes and seconds, as a player shows them."""
    minutes, seconds = divmod(round(time_s, 1), 60)
    return f"{int(minutes)}:{seconds:04.1f}"
