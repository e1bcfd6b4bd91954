"""Recordings to transcripts, without Spark."""

import os

__version__ = "0.1.0"

# ONNX Runtime (the VAD network runs on it) reports its use to its maker unless told not to before it starts.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
