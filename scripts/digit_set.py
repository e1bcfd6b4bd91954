"""Sentences with numbers, as people say them: scenarios × ways to read the same number × languages."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from transcribe.evaluate.digits import digits

SENTENCES: dict[str, dict[str, str]] = {
    "en": {
        "phone": "My phone number is {}.",
        "address": "I live at number {}, on the main street.",
        "amount": "The bill comes to {} dollars.",
        "date": "I was born in the year {}.",
        "order": "The order number is {}, please check it.",
    },
    "es": {
        "phone": "Mi número de teléfono es {}.",
        "address": "Vivo en el número {} de la calle mayor.",
        "amount": "La factura es de {} euros.",
        "date": "Nací en el año {}.",
        "order": "El número de pedido es {}, por favor.",
    },
    "fr": {
        "phone": "Mon numéro de téléphone est le {}.",
        "address": "J'habite au numéro {} de la grande rue.",
        "amount": "La facture est de {} euros.",
        "date": "Je suis né en {}.",
        "order": "Le numéro de commande est {}, s'il vous plaît.",
    },
    "de": {
        "phone": "Meine Telefonnummer ist {}.",
        "address": "Ich wohne in der Hauptstraße {}.",
        "amount": "Die Rechnung beträgt {} Euro.",
        "date": "Ich wurde im Jahr {} geboren.",
        "order": "Die Bestellnummer lautet {}, bitte.",
    },
    "it": {
        "phone": "Il mio numero di telefono è {}.",
        "address": "Abito al numero {} della via principale.",
        "amount": "La fattura è di {} euro.",
        "date": "Sono nato nel {}.",
        "order": "Il numero dell'ordine è {}, per favore.",
    },
    "pt": {
        "phone": "O meu telefone é {}.",
        "address": "Moro no número {} da rua principal.",
        "amount": "A fatura é de {} euros.",
        "date": "Nasci no ano de {}.",
        "order": "O número do pedido é {}, por favor.",
    },
    "ru": {
        "phone": "Мой номер телефона {}.",
        "address": "Мой дом номер {} на главной улице.",
        "amount": "Счёт на сумму {} рублей.",
        "date": "Это было в году {}.",
        "order": "Номер заказа {}, пожалуйста.",
    },
}
DOUBLE = {"en": "double", "es": "doble", "fr": "double", "it": "doppio", "pt": "duplo"}
LENGTHS = {"phone": 9, "address": 3, "amount": 4, "date": 4, "order": 6}
"""Digits of a number, by scenario."""
WHOLE = ("amount", "date", "address")
"""Scenarios in which people say the number as one."""


@dataclass(frozen=True)
class Sentence:
    """``text`` is what is said, ``number`` its digits, ``reading`` how they are said."""

    language: str
    scenario: str
    reading: str
    number: str
    text: str


@dataclass(frozen=True)
class Number:
    """``digits`` in the words ``said``, one way to read them."""

    language: str
    scenario: str
    reading: str
    digits: str
    said: str

    def in_words(self, text: str) -> Sentence:
        return Sentence(self.language, self.scenario, self.reading, self.digits, text)


def numbers(seed: int, n_numbers: int, languages: Sequence[str] = tuple(SENTENCES)) -> Iterator[Number]:
    """``n_numbers`` a language and scenario, each in every way it can be read. Same seed, same set.

    A reading whose words would also be other digits ("twenty five" for 20 5) is left out.
    """
    rng = random.Random(seed)
    for language in languages:
        for scenario in SENTENCES[language]:
            for _ in range(n_numbers):
                number = _number(scenario, rng)
                for reading, said in readings(number, language, scenario in WHOLE).items():
                    one = Number(language, scenario, reading, number, said)
                    if holds_only(_template(one), one):
                        yield one


def sentences(seed: int, n_numbers: int, languages: Sequence[str] = tuple(SENTENCES)) -> Iterator[Sentence]:
    """The numbers of ``numbers`` in the sentences above."""
    return (one.in_words(_template(one)) for one in numbers(seed, n_numbers, languages))


def holds_only(text: str, number: Number) -> bool:
    """Are the text's digits, however they are read, those of the number and no others?"""
    return "".join(digits(text, number.language)) == number.digits


def _template(number: Number) -> str:
    return SENTENCES[number.language][number.scenario].format(number.said)


def readings(number: str, language: str, as_whole: bool) -> dict[str, str]:
    """How a number can be said → its words; ``as_whole``: also as one number."""
    singles = [_said(digit, language) for digit in number]
    found = {
        "digits": " ".join(singles),
        "pairs": _groups(number, 2, language),
        "hundreds": _groups(number, 3, language),
    }
    if language == "en" and "0" in number:
        found["oh"] = " ".join(
            "oh" if digit == "0" else one for digit, one in zip(number, singles, strict=True)
        )
    if language in DOUBLE and any(a == b for a, b in pairwise(number)):
        found["double"] = _doubled(number, language)
    if as_whole and not number.startswith("0"):
        found["whole"] = _said(number, language)
    return found


def _number(scenario: str, rng: random.Random) -> str:
    """Every other one has two equal digits side by side."""
    number = str(rng.randint(1, 9)) + "".join(str(rng.randint(0, 9)) for _ in range(LENGTHS[scenario] - 1))
    if scenario == "date":
        return f"{rng.choice(('19', '20'))}{number[2:]}"
    if rng.random() < 0.5:
        at = rng.randrange(1, len(number))
        number = number[:at] + number[at - 1] + number[at + 1 :]
    return number


def _groups(number: str, n_digits: int, language: str) -> str:
    """Groups of so many digits, each said as a number; leading zeros are said."""
    said = []
    for at in range(0, len(number), n_digits):
        group = number[at : at + n_digits]
        rest = group.lstrip("0")
        said += [_said("0", language)] * (len(group) - len(rest))
        said += [_said(rest, language)] if rest else []
    return " ".join(said)


def _doubled(number: str, language: str) -> str:
    said, at = [], 0
    while at < len(number):
        twice = number[at : at + 2] == 2 * number[at]
        said.append(
            f"{DOUBLE[language]} {_said(number[at], language)}" if twice else _said(number[at], language)
        )
        at += 1 + twice
    return " ".join(said)


def _said(number: str, language: str) -> str:
    import num2words

    return str(num2words.num2words(int(number), lang=language))
