"""Speaks the sentences of ``transcribe/evaluate/digit_set.py``, with a manifest: ``digits.py FOLDER``.

Needs ``espeak-ng`` (Debian's package of that name). The digits that people have spoken for Asterisk are put
together, too, where Debian's packages ``asterisk-core-sounds-XX-wav`` are installed. Same seed, same set.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from transcribe.evaluate.digit_set import SENTENCES, readings, sentences

VOICES = ("m1", "m3", "m7", "f1", "f2", "f5")
WORDS_A_MINUTE = (130, 190)
ASTERISK = Path("/usr/share/asterisk/sounds")
N_HUMAN_DIGITS = 6
GAP_S = (0.05, 0.35)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--numbers", type=int, default=2, help="a language and scenario (%(default)s)")
    parser.add_argument(
        "--languages", nargs="+", choices=SENTENCES, default=list(SENTENCES), metavar="LANGUAGE"
    )
    options = parser.parse_args()
    if shutil.which("espeak-ng") is None:
        print("espeak-ng is not installed: apt-get install espeak-ng", file=sys.stderr)
        return 2
    options.folder.mkdir(parents=True, exist_ok=True)
    rows = list(spoken(options.folder, options.seed, options.numbers, options.languages))
    rows += human(options.folder, options.seed, options.numbers, options.languages)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (options.folder / "manifest.jsonl").write_text(lines, encoding="utf-8")
    print(f"{len(rows)} recordings: {options.folder / 'manifest.jsonl'}")
    return 0


def spoken(folder: Path, seed: int, n_numbers: int, languages: list[str]) -> Iterator[dict[str, Any]]:
    """Each sentence in a voice and at a speed of its own."""
    rng = random.Random(seed)
    for number, one in enumerate(sentences(seed, n_numbers, languages)):
        file = f"{one.language}_{one.scenario}_{one.reading}_{number:04}.wav"
        voice, speed = f"{one.language}+{rng.choice(VOICES)}", rng.randint(*WORDS_A_MINUTE)
        command = ["espeak-ng", "-v", voice, "-s", str(speed), "-w", str(folder / file), one.text]
        subprocess.run(command, check=True)
        yield row(file, one.language, one.reading, one.scenario, one.text, "espeak-ng")


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
