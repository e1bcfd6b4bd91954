"""Beam search on a toy model whose next token depends on the whole text, against searches written plainly."""

from __future__ import annotations

import itertools
import math

import pytest
from torch_fixtures import torch

from transcribe.engines.seq2seq_search import BLOCK, SearchOptions, most, search

pytestmark = pytest.mark.torch

VOCABULARY, END, LONGEST = 7, 0, 6


def logits_of(chunk: int, text: tuple[int, ...]) -> list[float]:
    """Any numbers, but always the same for a text; a text becomes likelier to end the longer it is."""
    generator = torch.Generator().manual_seed(hash((chunk, text)) % 2**31)
    values = torch.randn(VOCABULARY, generator=generator) * 2
    values[END] += len(text) - 3
    return values.tolist()


def logprobs(chunk: int, text: tuple[int, ...], never: tuple[int, ...] = ()) -> list[float]:
    values = [-math.inf if n in never else value for n, value in enumerate(logits_of(chunk, text))]
    total = math.log(sum(math.exp(value) for value in values))
    return [value - total for value in values]


class Toy:
    """Keeps the texts of all beams, as a decoder keeps its keys and values."""

    def __init__(self, chunks: list[int], width: int) -> None:
        self.texts = [(chunk, [()] * width) for chunk in chunks]
        self.n_rows = 0

    def step(self, tokens, parents):
        self.texts = [
            (chunk, [(*texts[parent], token) for parent, token in zip(of_chunk, new, strict=True)])
            for (chunk, texts), of_chunk, new in zip(
                self.texts, parents.tolist(), tokens.tolist(), strict=True
            )
        ]
        self.n_rows += tokens.numel()
        return torch.tensor([[logits_of(chunk, text) for text in texts] for chunk, texts in self.texts])

    def keep(self, chunks):
        self.texts = [self.texts[n] for n in chunks]


def found(chunks: list[int], width: int, **options):
    toy = Toy(chunks, width)
    first = torch.tensor([logits_of(chunk, ()) for chunk in chunks])
    results = search(first, toy, SearchOptions(width, END, options.pop("max_tokens", LONGEST), **options))
    return [
        [one._replace(avg_logprob=pytest.approx(one.avg_logprob, abs=1e-5)) for one in of] for of in results
    ]


def plain_beam(chunk: int, width: int) -> list[tuple[tuple[int, ...], float, bool]]:
    """One chunk, plain lists, every way to go on looked at."""
    beams, ended = [(0.0, ())], []
    for _ in range(LONGEST):
        ways = [
            (total + logprob, (*text, token))
            for total, text in beams
            for token, logprob in enumerate(logprobs(chunk, text))
        ]
        ways.sort(key=lambda way: -way[0])
        ended += [(t[:-1], s / len(t), True) for s, t in ways[:width] if t[-1] == END]
        beams = [(s, t) for s, t in ways if t[-1] != END][:width]
        if len(ended) >= width and max(one[1] for one in ended) >= max(s / len(t) for s, t in beams):
            return sorted(ended, key=lambda one: -one[1])[:width]
    ended += [(t, s / len(t), False) for s, t in beams][: max(0, width - len(ended))]
    return sorted(ended, key=lambda one: -one[1])[:width]


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_it_finds_what_a_plain_beam_search_finds(width):
    for chunk in range(15):
        assert [one[:3] for one in found([chunk], width)[0]] == plain_beam(chunk, width)


def test_greedy_takes_the_most_probable_token_each_time():
    for chunk in range(10):
        text: tuple[int, ...] = ()
        while len(text) < LONGEST:
            values = logprobs(chunk, text)
            if (token := values.index(max(values))) == END:
                break
            text = (*text, token)
        assert [one[0] for one in found([chunk], 1)[0]] == [text]


def test_a_beam_as_wide_as_the_tree_finds_the_best_of_all_texts():
    longest = 3
    for chunk in range(4):
        scores = {}
        for n in range(longest):
            for text in itertools.product(range(1, VOCABULARY), repeat=n):
                steps = [logprobs(chunk, text[:i])[token] for i, token in enumerate((*text, END))]
                scores[text] = sum(steps) / len(steps)
        best = max(scores, key=scores.__getitem__)
        ended = [one for one in found([chunk], 300, max_tokens=longest)[0] if one[2]]
        assert ended[0][:3] == (best, pytest.approx(scores[best], abs=1e-5), True)


@pytest.mark.parametrize("width", [1, 4])
def test_no_chunk_depends_on_another_and_finished_ones_leave(width):
    chunks = list(range(16))
    together, alone = found(chunks, width), [found([chunk], width)[0] for chunk in chunks]
    assert [[one.tokens for one in of] for of in together] == [[one.tokens for one in of] for of in alone]
    toy = Toy(chunks, width)
    first = torch.tensor([logits_of(chunk, ()) for chunk in chunks])
    search(first, toy, SearchOptions(width, END, LONGEST))
    assert toy.n_rows < len(chunks) * width * (LONGEST - 1)


def test_what_must_not_be_written_is_not():
    chunks = list(range(20))
    for results in found(chunks, 3, never=(2, 5), not_first=(END, 1)):
        for tokens, _, _, _ in results:
            assert not {2, 5} & set(tokens) and tokens[0] != 1
    assert any(tokens[:1] == (1,) for results in found(chunks, 3) for tokens, _, _, _ in results)


def test_scores_are_over_what_may_be_written():
    for chunk in range(10):
        ((tokens, score, ended, logprobs_),) = found([chunk], 1, never=(2, 5))[0]
        steps = [*tokens, END] if ended else tokens
        values = [logprobs(chunk, tuple(steps[:i]), (2, 5))[token] for i, token in enumerate(steps)]
        assert score == sum(values) / len(values)
        assert logprobs_ == pytest.approx(values[: len(tokens)], abs=1e-5)


def test_no_phrase_twice():
    for results in found(list(range(10)), 3, max_tokens=20, never=(END,), no_repeat_ngram_size=2):
        for tokens, _, _, _ in results:
            pairs = list(itertools.pairwise(tokens))
            assert len(pairs) == len(set(pairs)) == 19


def test_a_text_that_does_not_end_is_cut_off():
    ((tokens, _, ended, _),) = found([3], 1, max_tokens=4, never=(END,))[0]
    assert len(tokens) == 4 and not ended


@pytest.mark.parametrize("n_tokens", [4, 700, 2 * BLOCK, 20 * BLOCK, 20 * BLOCK + 3])
def test_the_best_tokens_are_those_of_topk(n_tokens):
    logits = torch.randn(3, 2, n_tokens, generator=torch.Generator().manual_seed(n_tokens))
    logits[0, 0, -1] = 99.0  # after the last whole block, if there is such a place
    values, tokens = most(logits, 6)
    wanted = logits.topk(min(6, n_tokens), -1)
    assert torch.equal(values, wanted.values) and torch.equal(tokens, wanted.indices)
