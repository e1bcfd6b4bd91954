"""Tests of real models hold on every processor: they compare what was heard through helpers with a margin."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from transcribe.languages import WHISPER

TESTS = Path(__file__).parent
HEARD = {
    *("text", "language", "words", "probs", "start_s", "end_s"),
    *("start_in_chunk_s", "end_in_chunk_s"),
}
"""Attributes and columns that hold what a model heard."""


def weights_tests(source: str) -> Iterator[ast.FunctionDef]:
    """Yield the functions of a test module that are marked ``weights``, alone or with their module."""
    module = ast.parse(source)
    marks = [
        node.value
        for node in module.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    ]
    is_marked = any("mark.weights" in ast.unparse(mark) for mark in marks)
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef):
            own = any("mark.weights" in ast.unparse(one) for one in node.decorator_list)
            if own or is_marked:
                yield node


def bare_equalities(source: str) -> list[int]:
    """Return the lines that assert ``==`` or ``!=`` of what a real model heard, without ``pytest.approx``."""
    return sorted(
        {
            node.lineno
            for test in weights_tests(source)
            for statement in ast.walk(test)
            if isinstance(statement, ast.Assert)
            for node in ast.walk(statement.test)
            if isinstance(node, ast.Compare)
            and any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
            and "approx(" not in ast.unparse(node)
            and any(map(_is_heard, ast.walk(node)))
        }
    )


def _is_heard(node: ast.AST) -> bool:
    """Return True for a field of what was heard, and for a language's code."""
    if isinstance(node, ast.Attribute):
        return node.attr in HEARD
    return isinstance(node, ast.Constant) and node.value in HEARD | WHISPER


def test_no_test_of_a_real_model_asserts_exactly_what_it_hears() -> None:
    found = [
        f"{path.relative_to(TESTS.parent)}:{line}"
        for path in sorted(TESTS.rglob("test_*.py"))
        for line in bare_equalities(path.read_text(encoding="utf-8"))
    ]
    assert not found, f"compare with a margin, through tests/fixtures/heard_fixtures.py: {', '.join(found)}"


def test_the_rule_finds_what_it_is_for() -> None:
    marked = "@pytest.mark.weights\ndef test_it(heard):\n    assert {}\n"
    for bad in ("heard.text == 'a b'", "heard == {(True, 'es')}", "[w.start_s for w in heard] == [1.0]"):
        assert bare_equalities(marked.format(bad)) == [3], bad
        assert bare_equalities(f"pytestmark = pytest.mark.weights\ndef test_it():\n    assert {bad}") == [3]
        assert bare_equalities(f"def test_it(heard):\n    assert {bad}") == []
    for good in ("heard.words[0].start_s == pytest.approx(1.0, abs=0.1)", "len(heard) == 3", "heard.text"):
        assert bare_equalities(marked.format(good)) == [], good
