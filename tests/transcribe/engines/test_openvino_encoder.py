"""Whisper's encoder in OpenVINO: its states are those of the checkpoint, and it runs where it should."""

from __future__ import annotations

import ctranslate2
import numpy as np
import pytest
from core_fixtures import clip
from faster_whisper.feature_extractor import FeatureExtractor

from transcribe.config import load
from transcribe.content import settings_hash
from transcribe.engines import ctranslate2 as engine_module
from transcribe.engines.base import Device
from transcribe.engines.ctranslate2 import takes_openvino
from transcribe.engines.openvino_encoder import OpenVinoEncoder
from transcribe.engines.openvino_graph import build_encoder
from transcribe.engines.whisper_features import features
from transcribe.models import convert
from transcribe.models.cache import fetch
from transcribe.models.registry import DEFAULT_PATH, Registry
from transcribe.types import ChunkAudio


@pytest.mark.parametrize(
    ("settings", "device", "has_vnni", "expected"),
    [
        ({}, Device(), True, True),
        ({}, Device(), False, False),
        ({}, Device("cuda"), True, False),
        ({"decode.compute_type": "int8"}, Device(), True, False),
        ({"engines.ctranslate2.encoder": "ctranslate2"}, Device(), True, False),
        ({"engines.ctranslate2.encoder": "openvino"}, Device(), False, True),
        ({"engines.ctranslate2.encoder": "openvino"}, Device("cuda"), True, False),
    ],
)
def test_openvino_encodes_where_it_is_faster_or_chosen(monkeypatch, settings, device, has_vnni, expected):
    monkeypatch.setattr(engine_module, "has_vnni", lambda: has_vnni)
    assert takes_openvino(load([], settings), device) is expected


def test_the_encoder_in_use_changes_no_fingerprint():
    hashes = {
        settings_hash(load([], {"engines.ctranslate2.encoder": name}), None)
        for name in ("auto", "ctranslate2", "openvino")
    }
    assert len(hashes) == 1


def test_a_graph_of_any_size_takes_any_number_of_frames():
    import openvino as ov

    width, n_mels = 32, 128  # as large-v3 has
    random = np.random.default_rng(0)
    shapes = {
        "encoder.conv1": (width, n_mels, 3),
        "encoder.conv2": (width, width, 3),
        **{f"encoder.blocks.0.attn.{part}": (width, width) for part in ("query", "key", "value", "out")},
        "encoder.blocks.0.mlp.0": (4 * width, width),
        "encoder.blocks.0.mlp.2": (width, 4 * width),
    }
    weights: convert.Weights = {
        f"{name}.weight": random.normal(0, 0.1, shape).astype(np.float16) for name, shape in shapes.items()
    }
    weights |= {f"{name}.bias": np.zeros(shape[0], np.float16) for name, shape in shapes.items()}
    for norm in ("encoder.blocks.0.attn_ln", "encoder.blocks.0.mlp_ln", "encoder.ln_post"):
        weights |= {f"{norm}.weight": np.ones(width, np.float16), f"{norm}.bias": np.zeros(width, np.float16)}
    weights["encoder.positional_embedding"] = random.normal(0, 1, (1500, width)).astype(np.float16)
    graph = build_encoder(weights, {"n_mels": n_mels, "n_audio_head": 4, "n_audio_layer": 1})
    compiled = ov.Core().compile_model(graph, "CPU")
    for n_frames in (100, 3000):
        states = compiled(random.normal(0, 1, (1, n_mels, n_frames)).astype(np.float32))[0]
        assert states.shape == (1, n_frames // 2, width)
        assert np.allclose(states.mean(-1), 0, atol=0.05)  # the last layer normalises


@pytest.mark.weights
def test_states_are_as_near_to_float32_as_those_of_ctranslate2():
    model_dir = fetch(Registry.load(DEFAULT_PATH).get("base"))
    encoder = OpenVinoEncoder(model_dir, 1)
    frames = features(FeatureExtractor(), ChunkAudio("", clip("es_appointment"), "es", 7.0), 12.5)
    exact = _encode(model_dir, "float32", frames)
    assert _similarity(encoder.encode(frames), exact) > 0.98
    assert (
        _similarity(encoder.encode(frames), exact)
        > _similarity(_encode(model_dir, "int8", frames), exact) - 0.01
    )
    assert np.array_equal(encoder.encode(frames), encoder.encode(frames))


def _encode(model_dir, compute_type, frames):
    model = ctranslate2.models.Whisper(str(model_dir), compute_type=compute_type)
    return np.asarray(model.encode(ctranslate2.StorageView.from_array(frames[None])))


def _similarity(one, other) -> float:
    """Return the mean cosine of states of the same frames."""
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return float(((one * other).sum(-1) / lengths).mean())
