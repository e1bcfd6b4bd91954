"""Moonshine from onnxruntime files in the seq2seq engine: its network and what prepares its samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import MoonshineConfig, MoonshineForConditionalGeneration, Wav2Vec2FeatureExtractor

from transcribe.models import moonshine
from transcribe.types import SAMPLE_RATE


def read(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """Model and feature extractor. Raises OSError, ValueError, KeyError or RuntimeError for other files."""
    weights = moonshine.read(folder)
    config = MoonshineConfig(**moonshine.settings(weights), attn_implementation="eager")
    model: Any = MoonshineForConditionalGeneration(config)
    model.load_state_dict({name: torch.tensor(np.ascontiguousarray(one)) for name, one in weights.items()})
    samples: Any = Wav2Vec2FeatureExtractor
    return model.to(dtype), samples(sampling_rate=SAMPLE_RATE, do_normalize=False)
