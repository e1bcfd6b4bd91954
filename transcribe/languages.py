"""Languages by code: which ones there are, how a hint is read, which are written without spaces.

A *tag* is what a hint comes down to: Whisper's code, for Chinese with the script where the hint tells it
(``zh``, ``zh-Hans``, ``zh-Hant``).
"""

from __future__ import annotations

import re
from functools import lru_cache

import langcodes
from langcodes.data_dicts import MACROLANGUAGES

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

RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ps", "sd", "ur", "yi"})
"""Languages written from right to left."""

NO_HINT = frozenset({"", "auto", "unknown", "none", "nan", "null", UNDETERMINED, "mul", "mis", "zxx"})
"""Written where nothing is known, also by pandas; ``mul``, ``mis`` and ``zxx`` are ISO 639's for it."""

_WHISPERS_OWN = {"nb": "no", "fil": "tl", "jv": "jw"}
"""Today's code → the one that Whisper has for the language."""


@lru_cache(maxsize=1024)
def normalize_hint(hint: str | None) -> str | None:
    """The tag of a BCP 47 or ISO 639 code, old or new: ``en-US`` → ``en``, ``iw`` → ``he``, ``zh_TW`` →
    ``zh-Hant``. Empty and ``NO_HINT`` → None. Raises ``LanguageError`` for one that Whisper has no code for.
    """
    text = re.sub(r"[.@].*", "", hint or "").strip()  # of a POSIX locale: en_US.UTF-8
    if text.lower() in NO_HINT:
        return None
    try:
        known = langcodes.Language.get(langcodes.standardize_tag(text, macro=True))
    except ValueError:  # not a tag at all
        raise _unknown(hint) from None
    language = known.language or ""
    code = _WHISPERS_OWN.get(language, language)
    if code not in WHISPER:
        code = MACROLANGUAGES.get(language, "")  # arz is an ar, wuu a zh
    if code not in WHISPER:
        raise _unknown(hint)
    told = known.script or (known.territory and known.maximize().script)
    return f"zh-{told}" if code == "zh" and told in ("Hans", "Hant") else code


def whisper_code(tag: str) -> str:
    """Whisper's code for a tag of ``normalize_hint``: ``zh-Hant`` → ``zh``."""
    return tag.partition("-")[0]


def macrolanguage(code: str) -> str:
    """Return the macrolanguage of a code (``nn`` → ``no``, ``hr`` → ``sh``), or the code itself.

    Languages that share one are written alike: a hint of one is right for speech that sounds like another.
    """
    return MACROLANGUAGES.get(code, code)


def _unknown(hint: object) -> LanguageError:
    return LanguageError(
        "unknown_language",
        f"language {hint!r} is none that Whisper has a code for",
        "give a BCP 47 or ISO 639 code (en, pt-BR, zh-Hant); leave it empty to have it identified",
    )
