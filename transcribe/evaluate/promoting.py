"""``python -m transcribe.models promote`` and ``roll-back``: a model's stage, its routes, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from transcribe.config import Config
from transcribe.errors import ConfigError
from transcribe.evaluate.gate import Gate, gate
from transcribe.models.checking import refuse_engine
from transcribe.models.editing import Edits
from transcribe.models.reading import all_files
from transcribe.models.registry import ModelEntry, Registry
from transcribe.storage.s3 import S3Options

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Promotion:
    """What is asked for. ``evaluations``: the output of ``jobs/evaluate.py``; "": the gate is left out, which
    the entry's history says. ``system``, ``baseline``: as evaluated; "" for the names of the two models."""

    name: str
    reason: str
    instead_of: str = ""
    evaluations: str = ""
    run: str = "latest"
    system: str = ""
    baseline: str = ""


def promote(config: Config, asked: Promotion) -> str:
    """The candidate becomes a production model, and gets the routes of the one that it replaces.

    Raises ``ConfigError`` when the gate refuses it, or the registry would not hold together; then nothing has
    changed.
    """
    registry = Registry.read(config)
    entry = registry.find(asked.name, "NAME")
    if entry.stage != "candidate":
        raise ConfigError("NAME", asked.name, f"is {entry.stage}: only candidates are promoted")
    if asked.instead_of:
        registry.find(asked.instead_of, "--instead-of")
    if refusal := refuse_engine(entry):
        raise ConfigError("NAME", asked.name, f"cannot run here: {refusal}")
    judged, measured = _judged(config, asked)
    if judged is not None and not judged.passed:
        raise ConfigError("NAME", asked.name, f"the gate refuses it: {'; '.join(judged.reasons)}")
    edits = Edits(all_files(config))
    edits.entry(asked.name)["stage"] = "production"
    if measured:
        edits.append(asked.name, "metrics", measured)
    told = "left out" if judged is None else f"passed beside {judged.baseline}"
    n_routes = edits.lead(asked.name, asked.instead_of) if asked.instead_of else 0
    _record(edits, entry, "promoted", asked.reason, {"gate": told, "instead_of": asked.instead_of})
    files = edits.save(lambda: Registry.read(config))
    lines = [str(judged)] if judged else []
    lines.append(f"{asked.name}: production; {n_routes} routes lead to it" + _before(asked.instead_of))
    return "\n".join([*lines, *(f"changed {file}" for file in files)])


def roll_back(config: Config, name: str, reason: str) -> str:
    """Undoes the last promotion: the model is a candidate again, its routes go back to whose they were.

    Raises ``ConfigError`` when there is no promotion to undo.
    """
    entry = Registry.read(config).find(name, "NAME")
    last = next((event for event in reversed(entry.history) if event.did != "added"), None)
    if last is None or last.did != "promoted":
        raise ConfigError("NAME", name, "its history ends with no promotion: nothing to roll back")
    edits = Edits(all_files(config))
    edits.entry(name)["stage"] = "candidate"
    n_routes = edits.lead(last.instead_of, name) if last.instead_of else 0
    _record(edits, entry, "rolled back", reason, {"instead_of": last.instead_of})
    files = edits.save(lambda: Registry.read(config))
    back = f" to {last.instead_of}" if last.instead_of else ""
    return "\n".join(
        [f"{name}: candidate; {n_routes} routes back{back}", *(f"changed {file}" for file in files)]
    )


def _record(edits: Edits, entry: ModelEntry, did: str, reason: str, more: Mapping[str, str | None]) -> None:
    if not reason.strip():
        raise ConfigError("--reason", reason, "say why: it stays in the entry's history")
    event = {"date": date.today().isoformat(), "did": did, "revision": entry.revision, "reason": reason}
    edits.append(entry.name, "history", {**event, **{key: value for key, value in more.items() if value}})


def _before(other: str) -> str:
    return f", which led to {other}" if other else ""


def _judged(config: Config, asked: Promotion) -> tuple[Gate | None, dict[str, Any]]:
    """What the gate says, and what was measured, as the entry holds it."""
    if not asked.evaluations:
        return None, {}
    from transcribe.evaluate.results import Results  # needs deltalake; the other commands do not

    s3 = S3Options.of(config.storage)
    rows, measured = Results(asked.evaluations, s3).run(asked.run)
    candidate = _of_system(rows, asked.system or asked.name)
    baseline = _of_system(rows, asked.baseline or asked.instead_of)
    return gate(baseline, candidate), _measurement(candidate, measured)


def _of_system(rows: Sequence[Row], system: str) -> list[Row]:
    found = [row for row in rows if row["system"] == system]
    if not found:
        known = ", ".join(sorted({row["system"] for row in rows}))
        raise ConfigError("--evaluations", system, f"no such system in that run; it has {known}")
    return found


def _measurement(rows: Sequence[Row], measured: Sequence[Row]) -> dict[str, Any]:
    """Word errors over all, and what a second of audio has cost."""
    scored = [row for row in rows if row["n_words"] and not row["loose"] and not row["error"]]
    n_words = sum(row["n_words"] for row in scored)
    wrong = sum(row["substitutions"] + row["deletions"] + row["insertions"] for row in scored)
    run = rows[0]["run_id"]
    found: dict[str, Any] = {"date": f"{rows[0]['created_at']:%Y-%m-%d}", "data": f"evaluation {run}"}
    if n_words:
        found["wer"] = round(wrong / n_words, 4)
    return found | _cost(rows[0]["system"], measured)


def _cost(system: str, measured: Sequence[Row]) -> dict[str, float]:
    for row in measured:
        if row["system"] == system and row["audio_s"] and row["core_s"]:
            return {"cost": float(f"{row['core_s'] / row['audio_s']:.3g}")}
    return {}
