"""Moonshine's real weights, read out of onnxruntime files: no Whisper, and its frames are not 20 ms."""

from __future__ import annotations

import jiwer
import numpy as np
import pytest
from core_fixtures import assert_alike, clip, silence, texts
from torch_fixtures import needed
from whisper_normalizer.basic import BasicTextNormalizer

from transcribe.config import load
from transcribe.engines import seq2seq
from transcribe.engines.base import Device
from transcribe.errors import ModelError
from transcribe.models import moonshine
from transcribe.models.cache import fetch
from transcribe.models.registry import Registry
from transcribe.models.traits import Traits
from transcribe.types import SAMPLE_RATE, ChunkAudio, DecodeOptions

needed("transformers")
pytestmark = [pytest.mark.torch, pytest.mark.weights]

GREEDY = DecodeOptions(beam_size=1, n_best=1)
TINY = "moonshine-tiny-en"
NAMES = [name for name, (language, _) in texts().items() if language == "en"]
SETTINGS = load([], {"decode.compute_type": "float32"})
normalize = BasicTextNormalizer()


def chunk_of(samples: np.ndarray) -> ChunkAudio:
    return ChunkAudio("c", samples, "en", len(samples) / SAMPLE_RATE)


@pytest.fixture(scope="module", params=[TINY, "moonshine-base-en"])
def engine(request):
    entry = Registry.of(load()).get(request.param)
    made = seq2seq.load(fetch(entry), SETTINGS, Device("cpu", 0, 2), entry.traits)
    yield made
    made.close()


def test_clips_are_transcribed_with_words_where_they_are_spoken(engine):
    """After a second more of silence a sentence is a second later; most of the silence is nobody's."""
    chunks = [chunk_of(np.concatenate([silence(s), clip(n)])) for s in (0.2, 1.2) for n in NAMES]
    heard = engine.transcribe(chunks, GREEDY)
    wanted = [normalize(texts()[name][1]) for name in NAMES]
    assert jiwer.wer(wanted * 2, [normalize(hypothesis.text) for hypothesis in heard]) < 0.08
    shifts_s = []
    for first, second in zip(heard, heard[len(NAMES) :], strict=False):
        if first.text == second.text:
            pairs = zip(first.words, second.words, strict=True)
            shifts_s += [b.start_in_chunk_s - a.start_in_chunk_s for a, b in pairs]
            assert second.words[0].start_in_chunk_s > 0.6
    assert len(shifts_s) > 20 and np.median(shifts_s) == pytest.approx(1.0, abs=0.05)


def test_a_given_text_is_timed_like_its_own(engine):
    """Of a hypothesis that it wrote, words, times and probabilities are those that it gave."""
    chunk = chunk_of(clip(NAMES[0]))
    (heard,) = engine.transcribe([chunk], GREEDY)
    assert_alike(engine.align(chunk, heard.text), heard.words)
    assert engine.align(chunk, " ") == engine.align(chunk, "much too long " * 100) == ()


def test_a_text_is_no_longer_than_its_audio_allows(engine):
    """A hum must not cost more than 6.5 tokens a second."""
    noise = np.random.default_rng(1).normal(0, 0.05, 2 * SAMPLE_RATE).astype(np.float32)
    (heard,) = engine.transcribe([chunk_of(noise)], GREEDY)
    assert len(engine._model._tokens.encode(heard.text).ids) <= 8 + 2 * 6.5 + 1


def test_all_that_the_file_holds_is_used():
    """What the network lacks or does not know would be an error; the rest is the file's numbers."""
    weights = moonshine.read(fetch(Registry.of(load()).get(TINY)))
    assert moonshine.settings(weights)["decoder_num_hidden_layers"] == 6
    assert sum(values.size for values in weights.values()) == pytest.approx(27.1e6 + 32768 * 288, rel=0.01)
    assert all(values.dtype == np.float32 and np.isfinite(values).all() for values in weights.values())


def test_a_head_that_the_network_lacks_is_named():
    folder = fetch(Registry.of(load()).get(TINY))
    with pytest.raises(ModelError, match=r"no head \[6, 0\] among 6 layers of 8 heads"):
        seq2seq.load(folder, SETTINGS, Device(), Traits(heads=((5, 7), (6, 0))))


def test_the_entry_decides_what_tells_the_time():
    """Named heads and lead are those that are used: later by the lead, and other times with bad heads."""
    folder = fetch(Registry.of(load()).get(TINY))

    def starts_s(**traits) -> np.ndarray:
        made = seq2seq.load(folder, SETTINGS, Device(), Traits(frame_s=0.024, **traits))
        (heard,) = made.transcribe([chunk_of(clip(NAMES[0]))], GREEDY)
        made.close()
        return np.array([word.start_in_chunk_s for word in heard.words])

    early, late = (starts_s(lead_s=lead_s, heads=((4, 3), (3, 2))) for lead_s in (0.0, 0.1))
    assert np.median(late - early) == pytest.approx(0.1)
    assert not np.allclose(early, starts_s(lead_s=0.0, heads=((0, 0),)), atol=0.05)
