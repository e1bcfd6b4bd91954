"""faster-whisper's two pipelines, run file by file with their own defaults, answers kept in a cache.

An answer is cached under all that can change it: the weights' sha256, the pipeline's options, the versions,
the file's sha256 and the language it was told. A cached time is the time measured when it was made.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from transcribe.evaluate.reference import Reference
from transcribe.types import SAMPLE_RATE


@dataclass(frozen=True)
class Answer:
    """What a system made of one file; ``error`` says why there is no text."""

    text: str = ""
    words: tuple[tuple[float, float, str], ...] = ()  # start_s, end_s, word
    audio_s: float = 0.0
    wall_s: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class Pipeline:
    """One way of running faster-whisper. What is not named here is left at its default."""

    batched: bool
    weights: Path  # folder of a CTranslate2 model
    beam_size: int
    threads: int
    hints: bool  # tell it the language where the manifest knows it
    word_times: bool = False

    @property
    def name(self) -> str:
        return f"faster-whisper {'batched' if self.batched else 'sequential'}"

    def key(self) -> dict[str, object]:
        return {
            "pipeline": self.name,
            "weights_sha256": _sha256(self.weights / "model.bin"),
            "beam_size": self.beam_size,
            "threads": self.threads,
            "word_times": self.word_times,
            "faster_whisper": importlib.metadata.version("faster-whisper"),
            "ctranslate2": importlib.metadata.version("ctranslate2"),
        }

    def answer(self, references: Iterable[Reference], cache: Path | None) -> dict[str, Answer]:
        """One answer per file that exists, by file name. The model is loaded only for what is not cached."""
        key = self.key()
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
        store = cache / f"{self.name.replace(' ', '-')}-{digest}.json" if cache else None
        known = json.loads(store.read_text())["answers"] if store and store.exists() else {}
        answers = {}
        for reference in references:
            language = reference.hint if self.hints else None
            entry = f"{_sha256(reference.path)} {language or 'identify'}"
            if entry not in known:
                known[entry] = asdict(self._run(reference.path, language))
                if store:
                    store.parent.mkdir(parents=True, exist_ok=True)
                    store.write_text(json.dumps({"key": key, "answers": known}, ensure_ascii=False))
            answers[reference.file] = Answer(**known[entry])
        return answers

    def _run(self, path: Path, language: str | None) -> Answer:
        from faster_whisper import BatchedInferencePipeline, decode_audio

        model = _model(self.weights, self.threads)
        if model.hf_tokenizer.token_to_id(f"<|{language}|>") is None:
            language = None  # not a language of these weights (yue of base): a hint would make it babble
        started = time.perf_counter()
        try:
            samples = decode_audio(str(path), sampling_rate=SAMPLE_RATE)
            pipeline = BatchedInferencePipeline(model) if self.batched else model
            found, _ = pipeline.transcribe(
                samples, beam_size=self.beam_size, language=language, word_timestamps=self.word_times
            )
            segments = list(found)  # the pipelines are lazy: this is where the work is done
        except Exception as error:  # any failure is this system's answer to the file
            return Answer(error=f"{type(error).__name__}: {error}"[:200])
        return Answer(
            text=" ".join(segment.text.strip() for segment in segments),
            words=tuple(
                (float(w.start), float(w.end), w.word) for segment in segments for w in segment.words or ()
            ),
            audio_s=len(samples) / SAMPLE_RATE,
            wall_s=time.perf_counter() - started,
        )


@functools.cache
def _model(weights: Path, threads: int):
    from faster_whisper import WhisperModel

    return WhisperModel(str(weights), device="cpu", compute_type="int8", cpu_threads=threads)


@functools.cache
def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
