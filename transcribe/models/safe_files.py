"""Files of a model that cannot run code: allowed by name, and looked into before they are used.

Weights come from strangers. A pickle runs what it likes when it is loaded, whatever it is called, and so does
Python code that a checkpoint brings along (``auto_map``). Safetensors, CTranslate2's format, ONNX's and plain
settings cannot.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from pathlib import Path

CTRANSLATE2, SAFETENSORS = "model.bin", ".safetensors"
ENDINGS = (SAFETENSORS, ".ort", ".onnx", ".json", ".jinja", ".txt")
MAX_HEADER_BYTES = 100 << 20
"""Largest header of a safetensors file, as its library has it."""
PICKLE, ZIP = b"\x80", b"PK\x03\x04"
"""What torch.save has written begins with one of these."""


def refuse_names(names: Iterable[str]) -> str:
    """Return why files of these names may not belong to a model; "" if they may."""
    found = sorted(name for name in names if not (name == CTRANSLATE2 or name.endswith(ENDINGS)))
    if not found:
        return ""
    return (
        f"{', '.join(found)}: a pickle can run code, and so can a program; convert weights to *{SAFETENSORS}"
        f" or CTranslate2's {CTRANSLATE2}; settings are *.json and *.txt"
    )


def refuse_content(path: Path) -> str:
    """Return what is wrong with a file's content; "" if it is what its name says. Raises OSError."""
    if path.name == CTRANSLATE2:
        with path.open("rb") as file:
            is_pickle = file.read(4).startswith((PICKLE, ZIP))
        return f"{path.name} is a pickle, which can run code; convert it to CTranslate2" if is_pickle else ""
    if path.name.endswith(SAFETENSORS):
        return "" if _is_safetensors(path) else f"{path.name} is no safetensors inside; convert the weights"
    if path.suffix == ".json":
        return _refuse_settings(path)
    return ""


def _is_safetensors(path: Path) -> bool:
    """Return True if a file begins with the length of a JSON header and that header."""
    with path.open("rb") as file:
        length = file.read(8)
        n_bytes = struct.unpack("<Q", length)[0] if len(length) == 8 else MAX_HEADER_BYTES + 1
        if n_bytes > MAX_HEADER_BYTES:
            return False
        try:
            return isinstance(json.loads(file.read(n_bytes)), dict)
        except ValueError:
            return False


def _refuse_settings(path: Path) -> str:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return f"{path.name} is no JSON"
    if isinstance(content, dict) and content.get("auto_map"):
        return f"{path.name} names a program of the checkpoint's own (auto_map), which is never run here"
    return ""
