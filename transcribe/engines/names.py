"""Which engines there are. A new one is a module, a line here and, if it has any, its settings."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    module: str  # has load(model_dir: Path, config: Config, device: Device, traits: Traits) -> Engine
    identifies_languages: bool  # with multilingual weights
    extra: str = ""  # of this package, where it needs one
    traits: frozenset[str] = frozenset()  # those it reads


ENGINES = {
    "ctranslate2": Kind(
        "transcribe.engines.ctranslate2",
        identifies_languages=True,
        traits=frozenset({"lead_s", "max_tokens_per_s"}),  # its heads are in the weights' config.json
    ),
    "seq2seq": Kind(
        "transcribe.engines.seq2seq",
        identifies_languages=True,
        extra="torch",
        traits=frozenset({"frame_s", "lead_s", "heads", "max_tokens_per_s"}),
    ),
    "fake": Kind("transcribe.engines.fake", identifies_languages=True),
}
