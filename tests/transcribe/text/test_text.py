"""The text chain: its order, Chinese in one script, candidates as long as a step wants them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest

from transcribe import text
from transcribe.config import Config, load
from transcribe.errors import InferenceError
from transcribe.languages import normalize_hint
from transcribe.text import Step, apply, chain, wants_candidates
from transcribe.text.script import _converter, in_script, script_of
from transcribe.types import Candidate, Chunk, Decoded, Hypothesis, HypothesisWord, Piece
from transcribe.verdicts import Status, Verdict


def chinese(text: str, language: str = "zh") -> Decoded:
    words = tuple(HypothesisWord(c, k, k + 1, 0.5) for k, c in enumerate(text))
    chunk = Chunk("r", 0, 0, (Piece(0.0, 0.0, 4.0),), ())
    return Decoded(chunk, Hypothesis(text, language, words, -0.2, 0.0), Verdict(Status.OK))


def test_chinese_comes_in_one_script():
    assert in_script([chinese("電话號码")], "simplified") == [chinese("电话号码")]
    assert in_script([chinese("电话号码")], "traditional") == [chinese("電話號碼")]
    assert in_script([chinese("電话號码")], "as_heard") == [chinese("電话號码")]
    assert in_script([chinese("電話", "ja")], "simplified") == [chinese("電話", "ja")]
    with pytest.MonkeyPatch.context() as without:
        without.setitem(sys.modules, "opencc", None)
        _converter.cache_clear()
        assert in_script([chinese("電話", "ja")], "simplified") == [chinese("電話", "ja")]
        with pytest.raises(InferenceError, match=r"missing_package") as caught:
            in_script([chinese("電話")], "simplified")
        assert "spark-transcribe[zh]" in caught.value.next_step
    mixed = [chinese("電話", "ja"), chinese("電話")]
    assert in_script(mixed, "simplified") == [chinese("電話", "ja"), chinese("电话")]


@pytest.mark.parametrize(
    ("hint", "script"),
    [
        *((hint, "traditional") for hint in ("yue", "zh-TW", "zh_HK", "zh-Hant-SG")),
        *((hint, "simplified") for hint in ("zh", "zh-CN", "en-HK", "", None)),
    ],
)
def test_the_hint_tells_the_script(hint, script):
    tag = normalize_hint(hint)
    assert script_of(tag, "auto") == script
    assert script_of(tag, "simplified") == "simplified" and script_of(tag, "as_heard") == "as_heard"


@pytest.mark.parametrize(
    ("hint", "setting", "expected"),
    [
        ("zh", "auto", "电话"),
        ("zh-Hant", "auto", "電話"),
        ("zh-Hant", "simplified", "电话"),
        (None, "auto", "电话"),
    ],
)
def test_the_shipped_chain_writes_chinese_in_the_script_that_is_asked_for(hint, setting, expected):
    config = load([], {"language.chinese_script": setting})
    assert apply(chain(hint, config), [chinese("電话")]) == [chinese(expected)]
    assert apply(chain(hint, config), []) == []


def test_steps_run_in_their_order_and_see_candidates_which_end_with_them():
    seen = []

    def adds(letter: str) -> Step:
        def run(decoded: Sequence[Decoded]) -> list[Decoded]:
            seen.append([len(one.hypothesis.candidates) for one in decoded])
            return [
                replace(one, hypothesis=replace(one.hypothesis, text=one.hypothesis.text + letter))
                for one in decoded
            ]

        return Step(run, wants_candidates=True)

    hypothesis = Hypothesis("x", "en", (), -0.2, 0.0, (Candidate("x", -0.2), Candidate("y", -0.3)))
    (done,) = apply([adds("a"), adds("b")], [replace(chinese("x", "en"), hypothesis=hypothesis)])
    assert done.hypothesis.text == "xab" and seen == [[2], [2]] and done.hypothesis.candidates == ()


def test_candidates_are_kept_only_where_a_step_wants_them(monkeypatch):
    assert not wants_candidates(Config())
    step = Step(list, wants_candidates=True)
    monkeypatch.setattr(text, "chain", lambda tag, config: [Step(list), step])
    assert wants_candidates(Config())
