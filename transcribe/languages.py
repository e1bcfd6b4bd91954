"""Languages by code: which ones there are, how a hint is read, which are written without spaces."""

from __future__ import annotations

from transcribe.errors import LanguageError

UNDETERMINED = "und"
"""Language of a recording without speech and without a hint (ISO 639-2)."""

_WHISPER_CODES = """
    af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr
    ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc
    pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue
    zh
"""
WHISPER = frozenset(_WHISPER_CODES.split())
"""The codes of Whisper's language tokens (openai/whisper ``tokenizer.py``)."""

UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
"""Languages written without spaces: compared by characters."""


def normalize_hint(hint: str | None) -> str | None:
    """``en-US``, ``EN`` or ``en`` → ``en``; empty → None. Raises ``LanguageError`` for an unknown one."""
    code = (hint or "").strip().lower().replace("_", "-").split("-")[0]
    if not code or code in ("und", "auto", "unknown", "nan", "none"):
        return None
    if code not in WHISPER:
        raise LanguageError(
            "unknown_language",
            f"language hint {hint!r} is not a Whisper language",
            "give an ISO 639-1 code, or none to have it identified",
        )
    return code
