"""Damaged recordings of every container, read in a child process as the job does.

None crashes or hangs it, and none comes out shorter than it was without an error where its container tells.

``pytest -m acceptance tests/transcribe/audio/test_fuzz.py`` tries many; a few of each always run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from container_fixtures import COUNTED, DAMAGES, RATE, UNCOUNTED, damaged
from core_fixtures import clip

from transcribe.audio.process import blocks
from transcribe.config import AudioConfig
from transcribe.errors import DecodeError

MAKERS = {**COUNTED, **UNCOUNTED}
ITS_HEADER_LIES = {"bits", "header"}
"""Damages that may make the header itself promise less."""
COUNT_IN_ITS_FIRST_FRAME = {"mp3"}
FATAL = {"decoder_crashed", "decoder_timeout", "too_large"}


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    speech = np.concatenate([clip("it_train"), clip("fr_delivery")])
    samples = np.repeat(speech, RATE // 16_000)[None].astype(np.float32)
    return {name: make(samples) for name, make in MAKERS.items()}


def heard(path: Path, content: bytes) -> float | str:
    """Seconds that came out, or the error."""
    path.write_bytes(content)
    try:
        return sum(block.shape[1] for block in blocks(path, AudioConfig(decoder_timeout_s=20))) / 16_000
    except DecodeError as error:
        return error.error


def faults_of(contents: dict[str, bytes], name: str, seeds: range, path: Path) -> list[str]:
    """What went wrong with damaged copies of one file."""
    whole_s, names = heard(path, contents[name]), list(contents)
    assert isinstance(whole_s, float)
    faults = []
    for seed in seeds:
        damage = DAMAGES[seed % len(DAMAGES)]
        other = contents[names[seed % len(names)]]
        result = heard(path, damaged(contents[name], damage, other, seed))
        if result in FATAL:
            faults.append(f"{damage} {seed}: {result}")
        is_shorter = isinstance(result, float) and result < whole_s - max(0.3, 0.02 * whole_s)
        is_uncounted = name in UNCOUNTED or (name in COUNT_IN_ITS_FIRST_FRAME and damage == "beginning")
        if is_shorter and not is_uncounted and damage not in ITS_HEADER_LIES:
            faults.append(f"{damage} {seed}: {result} of {whole_s:.2f} s")
    return faults


@pytest.mark.parametrize("name", MAKERS)
def test_damage_is_an_error_or_does_no_harm(contents, name, tmp_path):
    first = 3 * list(MAKERS).index(name)  # so that all of them together see every damage
    assert faults_of(contents, name, range(first, first + 3), tmp_path / "recording") == []


@pytest.mark.acceptance
@pytest.mark.parametrize("name", MAKERS)
def test_much_damage_is_an_error_or_does_no_harm(contents, name, tmp_path):
    assert faults_of(contents, name, range(1000, 1040), tmp_path / "recording") == []
