"""Try a model on one second of noise: ``python -m transcribe.engines.smoke FOLDER ENTRY_AS_JSON``.

``models add`` runs it in a process of its own before it writes an entry: weights that do not fit their
settings can end a process.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np

from transcribe.config import Config
from transcribe.engines.base import Device
from transcribe.engines.names import ENGINES
from transcribe.errors import TranscribeError
from transcribe.models.registry import ModelEntry
from transcribe.types import SAMPLE_RATE, ChunkAudio, DecodeOptions


def try_model(folder: Path, entry: ModelEntry) -> None:
    """Decode a second of noise with word times. Raises ModelError or InferenceError."""
    samples = np.random.default_rng(0).normal(0, 0.05, SAMPLE_RATE).astype(np.float32)
    language = (entry.languages or ["en"])[0]
    module = importlib.import_module(ENGINES[entry.engine].module)
    engine = module.load(folder, entry.applied_to(Config()), Device(), entry.traits)
    engine.transcribe([ChunkAudio("smoke", samples, language, 1.0)], DecodeOptions(beam_size=2, n_best=2))
    engine.close()


if __name__ == "__main__":
    try:
        try_model(Path(sys.argv[1]), ModelEntry.model_validate(json.loads(sys.argv[2])))
    except (TranscribeError, RuntimeError, ValueError, KeyError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
