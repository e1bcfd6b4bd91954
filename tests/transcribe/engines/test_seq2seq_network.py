"""Our path through Whisper's network against transformers', on a small model of random weights."""

from __future__ import annotations

import numpy as np
import pytest
from torch_fixtures import torch, transformers

from transcribe.engines.seq2seq_network import Decoding, Memory, Whisper

pytestmark = pytest.mark.torch

VOCABULARY, LAYERS, HEADS, FRAMES = 50, 2, 4, 60
ALL_HEADS = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]


@pytest.fixture(scope="module")
def theirs():
    config = transformers.WhisperConfig(
        vocab_size=VOCABULARY, num_mel_bins=8, d_model=32, max_source_positions=FRAMES // 2,
        max_target_positions=20, encoder_layers=LAYERS, decoder_layers=LAYERS, encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS, encoder_ffn_dim=64, decoder_ffn_dim=64, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, decoder_start_token_id=3, attn_implementation="eager",
    )  # fmt: skip
    torch.manual_seed(5)
    model = transformers.WhisperForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # fresh weights are so small that all tokens are alike
            parameter.mul_(4)
    return model


@pytest.fixture(scope="module")
def ours(theirs):
    weights = {name.removeprefix("model."): value for name, value in theirs.state_dict().items()}
    heads = {"n_encoder_heads": HEADS, "n_decoder_heads": HEADS}
    return Whisper(weights, **heads, device=torch.device("cpu"), dtype=torch.float32)


@pytest.fixture(autouse=True)
def as_in_an_engine():
    """No gradients, and one thread, as each of an engine's batches has."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield
    torch.set_num_threads(n_threads)


def features(n: int, frames: int = FRAMES, seed: int = 0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, 8, frames)).astype(np.float32))


def texts(n: int, length: int = 7, seed: int = 1):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, VOCABULARY, (n, length)))


def test_logits_and_attention_are_those_of_transformers(ours, theirs):
    heard, tokens = features(3), texts(3)
    wanted = theirs(input_features=heard, decoder_input_ids=tokens, output_attentions=True)
    memory = ours.encode(heard)
    decoding = Decoding(ours, memory, 1, 10)
    first, last = decoding.prompt(tokens[:, :4])
    torch.testing.assert_close(first, wanted.logits[:, 0], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(last, wanted.logits[:, 3], atol=1e-3, rtol=1e-3)
    for at in range(4, 7):
        logits = decoding.step(tokens[:, at, None], torch.zeros((3, 1), dtype=torch.long))
        torch.testing.assert_close(logits[:, 0], wanted.logits[:, at], atol=1e-3, rtol=1e-3)
    attention = ours.read(tokens, memory, ALL_HEADS)[0].softmax(-1)
    theirs_ = torch.stack([wanted.cross_attentions[layer][:, head] for layer, head in ALL_HEADS], 1)
    torch.testing.assert_close(attention, theirs_, atol=1e-4, rtol=1e-3)
    _, outputs = ours.read(tokens, memory, [(0, 1)], whole=True)
    torch.testing.assert_close(ours.logits(outputs[0]), wanted.logits[0], atol=1e-3, rtol=1e-3)


def test_context_may_be_shorter_than_the_models(ours):
    memory = ours.encode(features(2, frames=20))
    assert memory.values[0].shape[2] == 10
    assert ours.read(texts(2), memory, [(1, 2)])[0].shape == (2, 1, 7, 10)


def alone(ours, heard, text):
    """Logits after the last token of one text, decoded by itself."""
    decoding = Decoding(ours, ours.encode(heard), 1, 10)
    return decoding.prompt(torch.tensor([text]))[1][0]


def test_beams_follow_their_parents(ours):
    heard = features(2)
    decoding = Decoding(ours, ours.encode(heard), 3, 10)
    decoding.prompt(torch.tensor([[3, 4], [3, 5]]))
    beams = [[[3, 4]] * 3, [[3, 5]] * 3]
    random = np.random.default_rng(2)
    for _ in range(5):
        tokens, parents = random.integers(0, VOCABULARY, (2, 3)), random.integers(0, 3, (2, 3))
        beams = [
            [[*beams[n][parent], int(token)] for parent, token in zip(parents[n], tokens[n], strict=True)]
            for n in range(2)
        ]
        logits = decoding.step(torch.from_numpy(tokens), torch.from_numpy(parents))
    for n in range(2):
        for beam in range(3):
            wanted = alone(ours, heard[n : n + 1], beams[n][beam])
            torch.testing.assert_close(logits[n, beam], wanted, atol=1e-4, rtol=1e-4)


def test_finished_chunks_leave_and_the_others_go_on_undisturbed(ours):
    heard, parts = features(4), [features(4)[n : n + 1] for n in range(4)]
    memory = Memory.together((ours.encode(part) for part in parts), 4)
    decoding = Decoding(ours, memory, 2, 10)
    decoding.prompt(torch.tensor([[3, n] for n in range(4)]))
    decoding.step(torch.tensor([[10 + n, 20 + n] for n in range(4)]), torch.zeros((4, 2), dtype=torch.long))
    decoding.keep([3, 1])
    logits = decoding.step(torch.tensor([[30, 31], [32, 33]]), torch.tensor([[1, 0], [0, 1]]))
    for place, beam, chunk, text in (
        (0, 0, 3, [3, 3, 23, 30]),
        (0, 1, 3, [3, 3, 13, 31]),
        (1, 0, 1, [3, 1, 11, 32]),
    ):
        wanted = alone(ours, heard[chunk : chunk + 1], text)
        torch.testing.assert_close(logits[place, beam], wanted, atol=1e-4, rtol=1e-4)
    for chunk, place in enumerate(decoding.places()):
        assert torch.equal(memory.of([place]).keys[1], ours.encode(parts[chunk]).keys[1])


def test_no_digit_depends_on_how_many_chunks_are_decoded_together(ours):
    parts = [ours.encode(features(1, seed=n)) for n in range(9)]
    tokens = torch.tensor([[3, 4, 5 + n] for n in range(9)])

    def last(chunks):
        memory = Memory.together((parts[n] for n in chunks), len(chunks))
        return Decoding(ours, memory, 2, 5).prompt(tokens[list(chunks)])[1]

    together = last(range(9))
    assert all(torch.equal(last([n])[0], together[n]) for n in range(9))
    assert torch.equal(last([7, 2, 5]), together[[7, 2, 5]])
