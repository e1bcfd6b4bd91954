"""Engines by name. Heavy packages are imported when an engine is loaded, not before."""

from __future__ import annotations

from pathlib import Path

from transcribe.config import Config
from transcribe.engines.base import Engine
from transcribe.errors import ConfigError

NAMES = ("ctranslate2", "fake")


def load(
    name: str, model_dir: Path, config: Config, *, device: str, device_index: int, threads: int
) -> Engine:
    """Load a model. ``device`` is cpu or cuda. Raises ``ModelError`` when the weights cannot be loaded."""
    if name == "ctranslate2":
        from transcribe.engines.ctranslate2 import CTranslate2Engine, EngineOptions

        decode = config.decode
        automatic = "float16" if device == "cuda" else "int8"
        options = EngineOptions(
            device=device,
            device_index=device_index,
            compute_type=automatic if decode.compute_type == "auto" else decode.compute_type,
            threads=threads,
            batch_s=decode.batch_s,
            context_margin_s=decode.context_margin_s,
            context_step_s=decode.context_step_s,
            full_context=decode.full_context,
        )
        return CTranslate2Engine(model_dir, options)
    if name == "fake":
        from transcribe.engines.fake import FakeEngine

        return FakeEngine(f"{device}:{device_index}")
    raise ConfigError("engine", name, f"unknown engine; known: {', '.join(NAMES)}")
