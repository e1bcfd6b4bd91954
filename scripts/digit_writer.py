"""Sentences with spoken numbers as a language model writes them; what says another number is thrown out.

The model is asked twice: for situations in which people say such numbers, then, in each, for the sentence.
"""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from digit_set import Number, Sentence, holds_only

from transcribe.errors import ConfigError

Ask = Callable[[str], str]
"""Prompt → answer."""

LANGUAGES = {
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "de": "German",
    "it": "Italian",
    "pt": "Portuguese",
    "ru": "Russian",
}
WHAT = {
    "phone": "a telephone number",
    "address": "the number of a house",
    "amount": "an amount of money",
    "date": "a year",
    "order": "the number of an order",
}
N_SITUATIONS = 5
MAX_WORDS = 40
"""Of a sentence: a longer one is a story."""

META_PROMPT = (
    "I test how well speech recognition understands numbers. Name {n} different situations in which somebody "
    "says {what} aloud on the telephone: who speaks to whom, and why. One situation a line, at most twelve "
    "words each, nothing else."
)
PROMPT = (
    'Situation: {situation}\nWrite one sentence in {language} that is said then and holds the words "{said}" '
    "exactly as they stand here. It holds no other number and no digits. Answer with the sentence alone."
)


@dataclass
class Writer:
    """Uses a model, and counts what it had to throw out."""

    ask: Ask
    n_asked: int = 0
    n_thrown_out: int = 0
    _situations: dict[str, list[str]] = field(default_factory=dict)

    def sentences(self, numbers: Sequence[Number]) -> Iterator[Sentence]:
        """One a number and reading, of those whose answer says it and nothing else, in the same order."""
        for at, one in enumerate(numbers):
            situations = self._known(one.scenario)
            prompt = PROMPT.format(
                situation=situations[at % len(situations)], language=LANGUAGES[one.language], said=one.said
            )
            text = cleaned(self.ask(prompt))
            self.n_asked += 1
            if is_good(text, one):
                yield one.in_words(text)
            else:
                self.n_thrown_out += 1

    def _known(self, scenario: str) -> list[str]:
        if scenario not in self._situations:
            answer = self.ask(META_PROMPT.format(n=N_SITUATIONS, what=WHAT[scenario]))
            lines = (re.sub(r"^[\s\d.)*-]+", "", line).strip("* ") for line in answer.splitlines())
            found = [line for line in lines if len(line.split()) > 2][:N_SITUATIONS]
            self._situations[scenario] = found or [f"somebody says {WHAT[scenario]}"]
        return self._situations[scenario]


def cleaned(answer: str) -> str:
    """The first line that holds words, without the quotation marks around it."""
    lines = (line.strip() for line in answer.splitlines())
    return next((line for line in lines if re.search(r"\w", line)), "").strip("\"'“”„«»* ")


def is_good(text: str, number: Number) -> bool:
    """Does it say the number as it is to be read, in a sentence of its own, and no digit more?"""
    n_words = len(text.split())
    return (
        len(number.said.split()) < n_words <= MAX_WORDS
        and number.said.casefold() in text.casefold()
        and not re.search(r"\d", text)
        and holds_only(text, number)
    )


def endpoint(url: str, model: str, timeout_s: float = 300.0) -> Ask:
    """A model behind an address that speaks OpenAI's chat completions, as ollama, vLLM and llama.cpp do.

    ``url`` ends in /v1. Raises ConfigError naming it where nobody answers, or something else does.
    """

    def ask(prompt: str) -> str:
        message = {"role": "user", "content": prompt}
        wanted = {"model": model, "messages": [message], "temperature": 0, "seed": 1, "max_tokens": 120}
        request = urllib.request.Request(
            f"{url.rstrip('/')}/chat/completions",
            json.dumps(wanted).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return str(json.load(answer)["choices"][0]["message"]["content"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            remedy = f"gives no chat completion ({error!r}); it is to be an address that ends in /v1"
            raise ConfigError("--llm", url, remedy) from None

    return ask
