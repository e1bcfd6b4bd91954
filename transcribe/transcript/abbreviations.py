"""Words that end with a full stop and no sentence: initials, titles, and what stands before a number.

A wrong "yes" joins two sentences of one speaker, a wrong "no" tears a name from its title: in doubt (``St.``,
``U.S.``) the answer is yes. What is also a sentence (``No.``) or a word counts before a number only.
"""

from __future__ import annotations

import re
import unicodedata

_INITIALS = re.compile(r"(?:[^\W\d_]\.){2,}")
_TITLES = """
    mr mrs ms mx messrs dr drs prof profs rev revd hon st ste mt ft gen lt col sgt cpl capt cpt cmdr maj adm
    gov sen rep pres supt insp jr sr esq ph.d vs
    hr hrn fr frl dipl ing mag geb evtl ggf bzw ca inkl sog
    mme mlle mmes mgr
    sra srta dra dña ud uds lic arq mons avda
    sig sig.ra sig.na dott dott.ssa avv geom
    exmo exma profa
    dhr mevr mw
    inż ks św mudr judr phdr rndr bc
    г-н г-жа ул акад проф др тов св
"""
"""And the like, before a name or another word: English, then German, French, Spanish, Italian, Portuguese,
Dutch, Polish and Czech, Russian."""
_NUMBERED = """
    no nos nr num núm vol p pp pg pag pág fig art ch cap sec abs kap tel c approx bl стр ст гл
"""
_BEFORE_A_WORD, _BEFORE_A_NUMBER = frozenset(_TITLES.split()), frozenset(_NUMBERED.split())
_VOWELS = frozenset("aeiouyаеиоуыэюя")


def is_abbreviation(text: str, following: str = "") -> bool:
    """Return True if the full stop of ``text`` ends a word, not a sentence, before the word ``following``."""
    bare = text.strip().lstrip("\"'«„“‘([¿¡")
    if not bare.endswith("."):
        return False
    after = following.strip().lstrip("\"'«„“‘([¿¡")
    if after[:1].islower():  # a sentence begins with a capital letter
        return True
    name = bare.rstrip(".").casefold()
    if after[:1].isdigit() and name in _BEFORE_A_NUMBER:
        return True
    return name in _BEFORE_A_WORD or _is_initial(bare) or _INITIALS.fullmatch(bare) is not None


def _is_initial(bare: str) -> bool:
    """Return True for one letter and a full stop, unless it may be a word: ``J.`` and ``z.``, not ``я.``"""
    letter = bare[:-1]
    if len(letter) != 1 or letter.lower() == letter.upper():  # a script without capitals: a word
        return False
    return letter.isupper() or unicodedata.normalize("NFD", letter)[0] not in _VOWELS
