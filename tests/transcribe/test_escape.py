"""Text from outside, printed: what a line of output must never do."""

from __future__ import annotations

import pytest

from transcribe.escape import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("call 7 from München, 東京.wav", "call 7 from München, 東京.wav"),
        ("a\nrun  FORGED: good", "a\\nrun  FORGED: good"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("gpj.\u202elive", "gpj.\\u202elive"),
        ("a\u2028b\x85c\r", "a\\u2028b\\x85c\\r"),
        ("lone \udc80", "lone \\udc80"),
        ("", ""),
        (7, "7"),
    ],
)
def test_what_is_not_visible_is_escaped(text, shown):
    assert printable(text) == shown
    assert printable(text).isprintable()


def test_long_text_is_cut_also_where_escapes_make_it_long():
    assert printable("x" * 200) == "x" * 200
    assert printable("x" * 201) == "x" * 200 + "…"
    assert printable("\0" * 100) == "\\x00" * 50 + "…"
    assert printable("abc", max_characters=2) == "ab…"
