"""``engine: auto`` in a model's entry: which engine runs it, by a rule, and why.

The rule is applied once, where a run is planned: the planning machine stands for all that work. Rows hold the
engine, so a plan on a processor of another kind does the rows of such a model again.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from transcribe.config import Config
from transcribe.engines.cpu import has_amx_bfloat16

AUTO = "auto"
CANDIDATES = ("ctranslate2", "seq2seq")
CTRANSLATE2_WEIGHTS = "model.bin"
TASK_GPUS = "spark.task.resource.gpu.amount"


def choose_engine(files: Iterable[str], config: Config) -> tuple[str, str]:
    """(engine, reason) for a model with these files, on this machine under this configuration."""
    if CTRANSLATE2_WEIGHTS not in files:
        return "seq2seq", f"its files hold no {CTRANSLATE2_WEIGHTS}"
    if importlib.util.find_spec("torch") is None:
        return "ctranslate2", "PyTorch is not installed"
    if config.decode.device == "cuda" or (config.decode.device == AUTO and TASK_GPUS in config.spark.conf):
        return "seq2seq", "it runs on a GPU"
    if has_amx_bfloat16():
        return "seq2seq", "this processor has AMX"
    return "ctranslate2", "this processor has no AMX"
