"""Whisper's encoder in OpenVINO on CPUs: products of 8-bit integers, attention in bfloat16 if it has that.

Its states go into CTranslate2's search, alignment and language detection as if they were of CTranslate2's own
encoder, which takes from 1.3 (5 s of audio) to 2.1 times (25 s) as long on a processor with VNNI.
"""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt

from transcribe.engines.cpu import has_bfloat16
from transcribe.engines.whisper_features import Features
from transcribe.models import convert

States = npt.NDArray[np.float32]


def is_installed() -> bool:
    """Return True if OpenVINO can be imported."""
    return importlib.util.find_spec("openvino") is not None


class OpenVinoEncoder:
    """A loaded encoder. Each thread that calls ``encode`` has a request of its own on the same weights."""

    def __init__(self, model_dir: Path, n_threads: int) -> None:
        """``model_dir`` holds a model in CTranslate2's format. Raises ValueError when its weights are
        quantised, RuntimeError when OpenVINO cannot compile the graph."""
        import openvino as ov

        from transcribe.engines.openvino_graph import GROUP_SIZE, build_encoder

        found = convert.read(model_dir / "model.bin")
        graph = build_encoder(convert.openai_state(found), convert.dimensions(found))
        options = {
            "INFERENCE_NUM_THREADS": n_threads,
            "NUM_STREAMS": n_threads,  # each call has one thread
            "INFERENCE_PRECISION_HINT": "bf16" if has_bfloat16() else "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(GROUP_SIZE),
        }
        self._compiled = ov.Core().compile_model(graph, "CPU", options)
        self._of_thread = threading.local()

    def encode(self, frames: Features) -> States:
        """Return the states, shape (1, frames / 2, width), of one chunk's log-mel frames (n_mels, frames)."""
        if not hasattr(self._of_thread, "request"):
            self._of_thread.request = self._compiled.create_infer_request()
        found = self._of_thread.request.infer([frames[None]], share_inputs=True, share_outputs=True)
        states: States = found[0].copy()
        return states
