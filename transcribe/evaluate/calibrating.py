"""``python -m transcribe.models calibrate NAME MANIFEST``: heads and lead of a model, into its entry."""

from __future__ import annotations

from pathlib import Path

from transcribe import config as configuration
from transcribe.engines.base import Reader
from transcribe.engines.loading import choose_device, load
from transcribe.errors import ConfigError
from transcribe.evaluate.calibrate import Calibration, calibrate
from transcribe.evaluate.reference import load as load_references
from transcribe.evaluate.timing import TimeErrors
from transcribe.models.editing import set_traits
from transcribe.models.registry import ModelEntry, Registry

WORKS_WITH = "recordings of at most 30 s whose reference_text holds all that is said"


def run(models: Path, name: str, manifest: Path) -> str:
    """What was found, and the file that was changed. Raises ``ConfigError``, ``ManifestError`` or
    ``ModelError``."""
    settings = configuration.load([], {"models": str(models)})
    entry = Registry.of(settings).get(name, "NAME")
    engine = load(entry, settings, choose_device(settings, n_cores=1))
    try:
        if not isinstance(engine, Reader):
            raise ConfigError("NAME", name, f"the engine {entry.engine} gives no attention; use seq2seq")
        found = calibrate(engine, load_references(manifest), entry.traits, settings)
    finally:
        engine.close()
    if found is None:
        raise ConfigError("MANIFEST", str(manifest), f"nothing to read; calibration needs {WORKS_WITH}")
    traits = {"heads": found.heads} | ({} if found.lead_s is None else {"lead_s": found.lead_s})
    return f"{_told(entry, found)}\nwritten into {set_traits(models, name, traits)}"


def _told(entry: ModelEntry, found: Calibration) -> str:
    heads = ", ".join(f"[{layer}, {head}]" for layer, head in found.heads)
    lines = [f"{entry.name}: heads [{heads}] from {found.n_recordings} recordings"]
    if found.lead_s is None:
        lines.append("lead_s stays as it is: no recording has word_times")
    else:
        lines += [f"lead_s {found.lead_s}", f"before: {_line(found.before)}", f"now:    {_line(found.after)}"]
    return "\n".join(lines)


def _line(errors: TimeErrors) -> str:
    told = errors.summary()
    return ", ".join(
        f"{side}s median {told[f'{side}_median_ms'] or 0:.0f} ms,"
        f" {told[f'{side}_within_200_ms'] or 0:.0%} within 200 ms"
        for side in ("start", "end")
    )
