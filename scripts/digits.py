"""Speaks sentences with numbers, for evaluations: ``digits.py FOLDER`` gets the recordings and a manifest.

The sentences of ``digit_set.py``, and with ``--llm`` those that a language model writes
for the same numbers. English is spoken by hibari-tts, other languages by ``espeak-ng`` (Debian's package).
Where Debian's ``asterisk-core-sounds-XX-wav`` are installed, digits that people have spoken are put together,
too. Same seed, same set.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from digit_set import SENTENCES, Sentence, numbers, readings, sentences
from digit_writer import Writer, endpoint

from transcribe.errors import ConfigError

VOICES = ("m1", "m3", "m7", "f1", "f2", "f5")
WORDS_A_MINUTE = (130, 190)
USUAL_WORDS_A_MINUTE = 160
ASTERISK = Path("/usr/share/asterisk/sounds")
N_HUMAN_DIGITS = 6
GAP_S = (0.05, 0.35)

Speak = Callable[[str, random.Random, Path], None]
"""A text, in a voice and at a speed by chance, into a file."""


def main() -> int:
    options = _options()
    languages = options.languages
    try:
        speakers = {language: speaker(language) for language in languages}
        options.folder.mkdir(parents=True, exist_ok=True)
        texts = sentences(options.seed, options.numbers, languages)
        rows = list(spoken(options.folder, options.seed, texts, speakers, "by hand"))
        if options.llm:
            writer = Writer(endpoint(options.llm, options.llm_model))
            written = writer.sentences(list(numbers(options.seed, options.numbers, languages)))
            rows += spoken(options.folder, options.seed, written, speakers, options.llm_model)
            print(f"{options.llm_model}: {writer.n_thrown_out} of {writer.n_asked} sentences thrown out")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    rows += human(options.folder, options.seed, options.numbers, languages)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (options.folder / "manifest.jsonl").write_text(lines, encoding="utf-8")
    print(f"{len(rows)} recordings: {options.folder / 'manifest.jsonl'}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--numbers", type=int, default=2, help="a language and scenario (%(default)s)")
    parser.add_argument(
        "--languages", nargs="+", choices=SENTENCES, default=list(SENTENCES), metavar="LANGUAGE"
    )
    parser.add_argument(
        "--llm",
        metavar="URL",
        help="of a language model that writes sentences, too: http://localhost:11434/v1",
    )
    parser.add_argument("--llm-model", default="default", metavar="NAME", help="as its server calls it")
    return parser.parse_args()


def speaker(language: str) -> Speak:
    """The best that there is for a language. Raises ConfigError where it is not installed."""
    if language == "en":
        return _hibari()
    if shutil.which("espeak-ng") is None:
        raise ConfigError("--languages", language, "needs espeak-ng: apt-get install espeak-ng")

    def speak(text: str, rng: random.Random, file: Path) -> None:
        voice, speed = f"{language}+{rng.choice(VOICES)}", rng.randint(*WORDS_A_MINUTE)
        subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-w", str(file), text], check=True)

    return speak


def _hibari() -> Speak:
    try:
        from hibari import Hibari
    except ImportError:
        remedy = "needs hibari-tts: pip install hibari-tts"
        raise ConfigError("--languages", "en", remedy) from None
    voice = Hibari()

    def speak(text: str, rng: random.Random, file: Path) -> None:
        speed = rng.randint(*WORDS_A_MINUTE) / USUAL_WORDS_A_MINUTE
        soundfile.write(file, voice(text, speed=speed, seed=rng.randrange(2**31)), 24_000)

    return speak


def spoken(
    folder: Path, seed: int, texts: Iterable[Sentence], speakers: dict[str, Speak], author: str
) -> Iterator[dict[str, Any]]:
    """Each sentence, in a voice and at a speed of its own."""
    rng = random.Random(seed)
    made = "" if author == "by hand" else "written_"
    for number, one in enumerate(texts):
        file = f"{one.language}_{one.scenario}_{one.reading}_{made}{number:04}.wav"
        speakers[one.language](one.text, rng, folder / file)
        voice = "hibari-tts" if one.language == "en" else "espeak-ng"
        yield row(file, one.language, one.reading, one.scenario, one.text, f"{voice}; written {author}")


def human(folder: Path, seed: int, n_numbers: int, languages: list[str]) -> Iterator[dict[str, Any]]:
    """Numbers put together from single digits of one speaker, with pauses of different lengths."""
    rng = random.Random(seed)
    for language in languages:
        places = sorted(ASTERISK.glob(f"{language}_*/digits"))
        for n in range(2 * n_numbers if places else 0):
            number = "".join(str(rng.randint(0, 9)) for _ in range(N_HUMAN_DIGITS))
            parts: list[np.ndarray] = []
            for digit in number:
                samples, rate = soundfile.read(places[0] / f"{digit}.wav", dtype="float32")
                parts += [samples, np.zeros(int(rate * rng.uniform(*GAP_S)), np.float32)]
            file = f"{language}_human_digits_{n:04}.wav"
            soundfile.write(folder / file, np.concatenate(parts), rate)
            text = readings(number, language, as_whole=False)["digits"]
            yield row(file, language, "digits", "human", text, "Asterisk's prompts, CC-BY-SA")


def row(file: str, language: str, reading: str, scenario: str, text: str, source: str) -> dict[str, Any]:
    """Evaluations group by ``kind``, the reading, and ``service``, the scenario."""
    return {
        **{"file": file, "language": language, "kind": f"digits-{reading}", "service": scenario},
        **{"reference_text": text, "reference_quality": "exact", "notes": source},
    }


if __name__ == "__main__":
    sys.exit(main())
