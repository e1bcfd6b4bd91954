"""What can change a text beside audio and model: ``CONTENT_VERSION``, VAD network, settings and hints."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from transcribe.config import Config
from transcribe.models.networks import VAD_NETWORK

CONTENT_VERSION = 3
"""Raised by hand, with a line here, when the same settings and models give other texts than before: then all
that is published is done again. A release that changes no text leaves it alone.

1: the first that is counted.
2: languages are voted on by chunks spread over a recording, and contradictions to hints are marked.
3: quiet and short words are found, short recordings are identified with more context, echoes and language
versions are told apart by sound, and utterances end by the marks of all scripts.
"""

_NO_CONTENT: dict[str, Any] = {
    **dict.fromkeys(("job", "storage", "spark"), True),  # where and how fast, not what
    **dict.fromkeys(("model", "models"), True),  # a transcript is judged by the model that it names
    **dict.fromkeys(("regions", "services"), True),  # and by what they say of its languages
    "audio": {"block_s", "decoder_memory_gb", "decoder_timeout_s"},
    "decode": {"threads", "batch_s", "device"},
    "engines": {"max_memory_gb": True, "ctranslate2": {"encoder"}},  # formats of numbers follow the machine
}
_IDENTIFICATION = (  # of the language section
    *("model", "n_chunks", "min_prob", "allowed", "min_recording_prob", "fallback_model", "prior"),
)


def settings_hash(config: Config, identified_by: str | None, *hints: str | None) -> str:
    """Hash of all settings and hints that can change a recording's text; 16 hex digits.

    ``identified_by``: name and revision of the model that identifies its language, None if a hint decides:
    then it is no matter how languages are identified. ``hints``: what its manifest row says about decoding.
    """
    settings = config.model_dump(mode="json", exclude=_NO_CONTENT)
    if identified_by is None:
        for name in _IDENTIFICATION:
            del settings["language"][name]
    content = {
        "version": CONTENT_VERSION,
        "vad_network": VAD_NETWORK.files,
        "identified_by": identified_by,
        "hints": hints,
        "settings": settings,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
