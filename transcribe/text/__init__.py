"""The text chain: steps that change the texts of a recording's chunks, before they are cut into utterances.

A new step is a module with a function from decoded chunks to as many decoded chunks, and a line in ``chain``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from transcribe.config import Config
from transcribe.text.script import in_script, script_of
from transcribe.types import Decoded


@dataclass(frozen=True)
class Step:
    """``run`` may change texts and words, not which chunks there are or when their words are spoken."""

    run: Callable[[Sequence[Decoded]], list[Decoded]]
    wants_candidates: bool = False  # the n best of each chunk, which are dropped where no step wants them


def chain(tag: str | None, config: Config) -> list[Step]:
    """The steps for a recording whose hint is ``tag``, in order."""
    script = script_of(tag, config.language.chinese_script)
    return [Step(partial(in_script, script=script))]


def wants_candidates(config: Config) -> bool:
    """Does any step want the n best? Then the decoder keeps them."""
    return any(step.wants_candidates for step in chain(None, config))


def apply(steps: Sequence[Step], decoded: Sequence[Decoded]) -> list[Decoded]:
    """The chunks after all steps, without candidates. Raises what a step raises."""
    texts = list(decoded)
    for step in steps:
        texts = step.run(texts)
    return [replace(one, hypothesis=replace(one.hypothesis, candidates=())) for one in texts]
