"""Which engines there are. A new one is a module, a line here and, if it has any, its settings."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple


class Kind(NamedTuple):
    module: str  # has load(model_dir: Path, config: Config, device: Device, traits: Traits) -> Engine
    identifies_languages: bool = False  # with multilingual weights
    transcribes: bool = True  # else it only times the words of other engines' texts
    times_words: bool = True  # of its own texts; else the aligners that an entry names do, or nobody
    aligns: bool = False  # can time the words of any text: is a base.Aligner
    extra: str = ""  # of this package, where it needs one
    packages: tuple[str, ...] = ()  # that the extra brings
    traits: frozenset[str] = frozenset()  # those it reads


def lacking_packages(kind: Kind) -> list[str]:
    """Return the packages that an engine needs and that are not installed here."""
    return [name for name in kind.packages if importlib.util.find_spec(name) is None]


ENGINES = {
    "ctranslate2": Kind(
        "transcribe.engines.ctranslate2",
        identifies_languages=True,
        traits=frozenset({"lead_s", "max_tokens_per_s"}),  # its heads are in the weights' config.json
    ),
    "seq2seq": Kind(
        "transcribe.engines.seq2seq",
        identifies_languages=True,
        aligns=True,
        extra="torch",
        packages=("torch", "transformers"),
        traits=frozenset({"frame_s", "lead_s", "heads", "max_tokens_per_s"}),
    ),
    "audio_llm": Kind(
        "transcribe.engines.audio_llm",
        times_words=False,
        extra="torch",
        packages=("torch", "transformers"),
        traits=frozenset({"prompt", "answer", "max_tokens_per_s"}),
    ),
    "whisperx": Kind(
        "transcribe.engines.whisperx", times_words=False, extra="whisperx", packages=("whisperx",)
    ),
    "whisperx_align": Kind(
        "transcribe.engines.whisperx_align",
        transcribes=False,
        aligns=True,
        extra="whisperx",
        packages=("whisperx",),
    ),
    "fake": Kind("transcribe.engines.fake", identifies_languages=True),
}
