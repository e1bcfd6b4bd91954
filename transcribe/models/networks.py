"""Networks that the library's own code is written for: they change with it, not with a configuration."""

from __future__ import annotations

from transcribe.models.registry import Weights
from transcribe.models.sources import PackageSource, WheelSource

VAD_NETWORK = Weights(
    name="silero-vad-v6",
    revision="6",
    licence="MIT",
    stage="production",
    files={"silero_vad_v6.onnx": "4cbf549b8326f60f80f2536d9eefeb450a9abe83365a098031c89719f1be17d2"},
    sources=[
        PackageSource(package="faster_whisper", subfolder="assets"),
        WheelSource(
            wheels=["faster-whisper==1.2.1"],
            members={"silero_vad_v6.onnx": ["faster_whisper/assets/silero_vad_v6.onnx"]},
        ),
    ],
    notes="Silero VAD, which finds speech (speech/vad.py). 1.2 MB.",
)
NETWORKS = {VAD_NETWORK.name: VAD_NETWORK}
