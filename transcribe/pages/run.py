"""The page of a run, made of data that JSON can hold: so it can be made again when the data has changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transcribe.pages.charts import bars, line
from transcribe.pages.page import render


def render_run(data: Mapping[str, Any]) -> str:
    """Return the page that ``data`` makes; the JSON beside a page holds the same data."""
    run = data["run"]
    parts = ("published", "failed", "skipped", "left")
    history = [(f"{value:.1f}", value) for value in data["rtfx_before"] if value]
    now = [(f"{run['rtfx']:.1f}", run["rtfx"])] if run["rtfx"] else []
    charts = {
        "fates": bars({part: run[f"n_{part}"] for part in parts if run[f"n_{part}"]}),
        "time": bars({name: value for name, value in data["time"].items() if value > 0}),
        "dropped": bars(data["dropped_s"]),
        "verdicts": bars(data["n_utterances"]),
        "rtfx": line([*history, *now]),
    }
    return render("run.j2", charts=charts, **data)
