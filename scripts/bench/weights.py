"""A Whisper model in CTranslate2's format → checkpoints for openai-whisper and for transformers.

    python weights.py MODEL_DIR OUT      (in an environment with torch and safetensors)

Writes OUT/openai.pt and OUT/hf.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the environment holds a peer, not this project

from transcribe.models.convert import dimensions, hf_configs, hf_state, openai_state, read


def convert(model: Path, out: Path) -> None:
    """Writes both checkpoints of the model in the folder ``model``."""
    import torch
    from safetensors.numpy import save_file

    found = read(model / "model.bin")
    state = openai_state(found)
    out.mkdir(parents=True, exist_ok=True)
    tensors = {name: torch.from_numpy(values.copy()) for name, values in state.items()}
    torch.save({"dims": dimensions(found), "model_state_dict": tensors}, out / "openai.pt")
    (out / "hf").mkdir(exist_ok=True)
    contiguous = {name: np.ascontiguousarray(values) for name, values in hf_state(state).items()}
    save_file(contiguous, out / "hf" / "model.safetensors", {"format": "pt"})
    added = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    tokens = {token["content"]: token["id"] for token in added}
    for name, content in hf_configs(found, config, tokens).items():
        (out / "hf" / name).write_text(json.dumps(content, indent=1), encoding="utf-8")
    shutil.copyfile(model / "tokenizer.json", out / "hf" / "tokenizer.json")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
