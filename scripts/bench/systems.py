"""How each system transcribes files. What is not the standard library is imported when a system needs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import ours
from job import Answers, File, Job, Loaded, Words, one_by_one

SAMPLE_RATE = 16_000


def decode(path: str) -> Any:
    """float32 mono samples at 16 kHz, by FFmpeg's libraries, for systems that leave decoding to a program."""
    import av
    import numpy as np

    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    with av.open(path, metadata_errors="ignore") as container:
        frames = (out for frame in container.decode(audio=0) for out in resampler.resample(frame))
        parts = [frame.to_ndarray()[0] for frame in frames]
    parts += [frame.to_ndarray()[0] for frame in resampler.resample(None)]
    return np.concatenate(parts).astype(np.float32) / 32768


def faster_whisper(job: Job, batched: bool = False) -> Loaded:
    from faster_whisper import BatchedInferencePipeline, WhisperModel, decode_audio

    started = time.perf_counter()
    model = WhisperModel(
        job.weights, device=job.device, compute_type=ctranslate2_type(job), cpu_threads=job.threads
    )
    load_s = time.perf_counter() - started
    pipeline = BatchedInferencePipeline(model) if batched else model
    more = {"batch_size": job.batch} if batched else {}

    def transcribe(file: File) -> tuple[str, Words]:
        samples = decode_audio(file.path, sampling_rate=SAMPLE_RATE)
        found, _ = pipeline.transcribe(
            samples, beam_size=job.beam, language=file.language, word_timestamps=job.words, **more
        )
        segments = list(found)  # the pipelines are lazy: this is where the work is done
        words = [(float(w.start), float(w.end), w.word) for s in segments for w in s.words or ()]
        return " ".join(segment.text.strip() for segment in segments), words

    return Loaded(load_s, one_by_one(transcribe))


def faster_whisper_batched(job: Job) -> Loaded:
    return faster_whisper(job, batched=True)


def ctranslate2_type(job: Job) -> str:
    return "float16" if job.device == "cuda" else "int8"


def openai_whisper(job: Job) -> Loaded:
    import torch
    import whisper

    torch.set_num_threads(job.threads)
    started = time.perf_counter()
    model = whisper.load_model(str(Path(job.checkpoints, "openai.pt")), device=job.device)
    load_s = time.perf_counter() - started
    beam = {"beam_size": job.beam} if job.beam > 1 else {}

    def transcribe(file: File) -> tuple[str, Words]:
        fp16 = job.device == "cuda"
        found = model.transcribe(
            decode(file.path), language=file.language, fp16=fp16, word_timestamps=job.words, **beam
        )
        words = [(w["start"], w["end"], w["word"]) for s in found["segments"] for w in s.get("words", ())]
        return found["text"].strip(), words

    return Loaded(load_s, one_by_one(transcribe))


def transformers(job: Job) -> Loaded:
    import torch
    from transformers import pipeline

    torch.set_num_threads(job.threads)
    started = time.perf_counter()
    recognizer = pipeline(
        "automatic-speech-recognition",
        model=str(Path(job.checkpoints, "hf")),
        device=job.device,
        dtype=torch.float16 if job.device == "cuda" else torch.float32,
        chunk_length_s=30,
        batch_size=job.batch,
    )
    load_s = time.perf_counter() - started

    def run(files: Sequence[File]) -> Answers:
        """Files of one language share batches; the pipeline takes one language a call."""
        answers = Answers()
        for language in dict.fromkeys(file.language for file in files):
            group = [file for file in files if file.language == language]
            options = {"num_beams": job.beam, **({"language": language} if language else {})}
            read: list[str] = []
            audio = _decoded(group, read, answers)
            try:
                for id_, found in zip(read, recognizer(audio, generate_kwargs=options), strict=False):
                    answers.texts[id_] = found["text"].strip()
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"[:200]
                missing = {f.id for f in group} - set(answers.texts) - set(answers.errors)
                answers.errors.update(dict.fromkeys(missing, reason))
        return answers

    return Loaded(load_s, run)


def _decoded(files: Sequence[File], read: list[str], answers: Answers) -> Iterator[dict[str, Any]]:
    """Audio of the files that can be decoded; their ids go to ``read`` before it is asked for them."""
    for file in files:
        try:
            samples = decode(file.path)
        except Exception as error:
            answers.errors[file.id] = f"{type(error).__name__}: {error}"[:200]
            continue
        read.append(file.id)
        yield {"raw": samples, "sampling_rate": SAMPLE_RATE}


def whisperx(job: Job) -> Loaded:
    import whisperx

    started = time.perf_counter()
    model = whisperx.load_model(
        job.weights,
        job.device,
        compute_type=ctranslate2_type(job),
        asr_options={"beam_size": job.beam},
        threads=job.threads,
        vad_method="pyannote",
    )
    load_s = time.perf_counter() - started

    def transcribe(file: File) -> tuple[str, Words]:
        found = model.transcribe(decode(file.path), batch_size=job.batch, language=file.language)
        return " ".join(segment["text"].strip() for segment in found["segments"]), []

    return Loaded(load_s, one_by_one(transcribe))


def distribatch(job: Job, batched: bool = False) -> Loaded:
    import functools

    import distribatch as dib
    from pyspark.sql import DataFrame, SparkSession

    builder = SparkSession.builder.master(f"local[{job.cores}]").appName("distribatch")
    session = builder.config("spark.log.level", "ERROR").getOrCreate()
    options = {
        "device": job.device,
        "compute_type": ctranslate2_type(job),
        "cpu_threads": max(1, job.threads // job.cores),
        "beam_size": job.beam,
        "batched": batched,
        "batch_size": job.batch,
    }

    def run(files: Sequence[File]) -> Answers:
        """A job takes one language; the languages' rows are collected together."""
        frames = []
        for language in dict.fromkeys(file.language for file in files):
            rows = [(file.id, file.path) for file in files if file.language == language]
            frame = session.createDataFrame(rows, "id string, path string").repartition(len(rows))
            task = dib.TranscribeJob(
                model=dib.models.path(job.weights),
                audio_col="path",
                language=language,
                engine="faster_whisper",
                engine_options=options,
            )
            frames.append(task.run(frame, backend="spark", output_col="answer"))
        answers = Answers()
        for row in functools.reduce(DataFrame.union, frames).collect():
            if row.answer_error:
                answers.errors[row.id] = row.answer_error[:200]
            else:
                answers.texts[row.id] = row.answer
        return answers

    return Loaded(0.0, run)


def distribatch_batched(job: Job) -> Loaded:
    return distribatch(job, batched=True)


SYSTEMS: dict[str, Callable[[Job], Loaded]] = {
    "library": ours.library,
    "library-seq2seq": ours.library_seq2seq,
    "spark": ours.spark,
    "faster-whisper": faster_whisper,
    "faster-whisper-batched": faster_whisper_batched,
    "openai-whisper": openai_whisper,
    "transformers": transformers,
    "whisperx": whisperx,
    "distribatch": distribatch,
    "distribatch-batched": distribatch_batched,
}
PACKAGES = {
    "library": ("ctranslate2",),
    "library-seq2seq": ("torch",),
    "spark": ("ctranslate2", "pyspark"),
    "openai-whisper": ("openai-whisper", "torch"),
    "transformers": ("transformers", "torch"),
    "whisperx": ("whisperx", "faster-whisper", "torch"),
    "faster-whisper": ("faster-whisper", "ctranslate2"),
    "distribatch": ("distribatch", "faster-whisper", "ctranslate2", "pyspark"),
}
"""Whose versions are reported, also for a system's ``-batched`` form."""
