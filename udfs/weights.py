"""Before the first wave, on executors: the models' verified files on each machine, or what is in the way."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from transcribe.errors import ModelError
from transcribe.models.checking import make_ready
from transcribe.models.registry import Weights

PROBLEMS = "host string, model string, problem string"
"""Columns of what ``fetch_all`` gives."""


def fetch_all(entries: Sequence[Weights]) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """For ``mapInPandas``, whatever the rows: a row a model that this machine cannot have. Tasks of a machine
    wait for the first one that fetches."""

    def run(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for _ in frames:
            pass
        found = {entry.name: problem for entry in entries if (problem := problem_of(entry))}
        columns = {"host": socket.gethostname(), "model": list(found), "problem": list(found.values())}
        yield pd.DataFrame(columns, dtype=object)

    return run


def problem_of(entry: Weights) -> str:
    """Return why this machine cannot have a model; "" once its engine and its verified files are here."""
    try:
        make_ready(entry)
    except ModelError as error:
        return str(error)
    return ""
