"""The benchmark's worker: one system in a fresh process, ``bench_systems.py JOB.json``.

JOB.json is a ``bench_job.Job``; the answers and what they cost are written to its ``result``. Each system
is a function that loads it and returns how it transcribes files. Every system decodes the files itself as
part of the work, and does one short clip before the clock starts. Nothing but the standard library is
imported before a system asks for it: each runs in an environment of its own.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import bench_process
from bench_job import Answers, File, Job, Loaded, one_by_one, read_job

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


def library(job: Job) -> Loaded:
    import bench_ours

    return bench_ours.library(job)


def spark(job: Job) -> Loaded:
    import bench_ours

    return bench_ours.spark(job)


def faster_whisper(job: Job, batched: bool = False) -> Loaded:
    from faster_whisper import BatchedInferencePipeline, WhisperModel, decode_audio

    started = time.perf_counter()
    model = WhisperModel(
        job.weights, device=job.device, compute_type=ctranslate2_type(job), cpu_threads=job.threads
    )
    load_s = time.perf_counter() - started
    pipeline = BatchedInferencePipeline(model) if batched else model
    more = {"batch_size": job.batch} if batched else {}

    def transcribe(file: File) -> str:
        samples = decode_audio(file.path, sampling_rate=SAMPLE_RATE)
        segments, _ = pipeline.transcribe(samples, beam_size=job.beam, language=file.language, **more)
        return " ".join(segment.text.strip() for segment in segments)

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

    def transcribe(file: File) -> str:
        fp16 = job.device == "cuda"
        return model.transcribe(decode(file.path), language=file.language, fp16=fp16, **beam)["text"].strip()

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

    def transcribe(file: File) -> str:
        found = model.transcribe(decode(file.path), batch_size=job.batch, language=file.language)
        return " ".join(segment["text"].strip() for segment in found["segments"])

    return Loaded(load_s, one_by_one(transcribe))


def distribatch(job: Job, batched: bool = False) -> Loaded:
    import functools

    import distribatch as dib
    from pyspark.sql import DataFrame, SparkSession

    session = SparkSession.builder.master(f"local[{job.cores}]").appName("distribatch")
    session = session.config("spark.log.level", "ERROR").getOrCreate()
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
    "library": library,
    "spark": spark,
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
    "spark": ("ctranslate2", "pyspark"),
    "openai-whisper": ("openai-whisper", "torch"),
    "transformers": ("transformers", "torch"),
    "whisperx": ("whisperx", "faster-whisper", "torch"),
    "faster-whisper": ("faster-whisper", "ctranslate2"),
    "distribatch": ("distribatch", "faster-whisper", "ctranslate2", "pyspark"),
}
"""Whose versions are reported, also for a system's ``-batched`` form."""


def main() -> None:
    job = read_job(Path(sys.argv[1]))
    session = os.getsid(0)
    started = time.perf_counter()
    loaded = SYSTEMS[job.system](job)
    loaded.transcribe(job.warm_up)
    cpu_before_s = bench_process.session_cpu_s(session)
    start_s = time.perf_counter() - started
    started = time.perf_counter()
    answers = loaded.transcribe(job.files)
    work_s = time.perf_counter() - started
    cpu_s = bench_process.session_cpu_s(session) - cpu_before_s
    packages = PACKAGES[job.system.removesuffix("-batched")]
    result = {
        "load_s": loaded.load_s,
        "start_s": start_s,
        "work_s": work_s,
        "cpu_s": cpu_s,
        **asdict(answers),
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }
    Path(job.result).write_text(json.dumps(result, ensure_ascii=False), encoding="utf-8")
    os._exit(0)  # what libraries do on their way out is not measured, and cannot spoil what was


if __name__ == "__main__":
    main()
