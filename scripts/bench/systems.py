"""How each system transcribes files. What is not the standard library is imported when a system needs it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from worker import Answers, File, Job, Transcriber, Words, one_by_one

SAMPLE_RATE = 16_000
DETAILS = ("n_chunks", "n_repaired")


def library(job: Job) -> Transcriber:
    """Run this project in the worker's process: engines are loaded by the warm-up and kept for the work."""
    from transcribe import config as configuration
    from transcribe.engines.cache import EngineCache
    from transcribe.evaluate.systems import run_library
    from transcribe.inputs.read import read
    from transcribe.pipeline import Progress
    from transcribe.storage.s3 import S3Options

    config = configuration.load(overrides=[f"decode.threads={job.threads}", *_settings(job)])
    engines, s3 = EngineCache(), S3Options()

    def run(files: Sequence[File]) -> Answers:
        steps = [Progress()]
        inputs = read(str(_write_manifest(job, files)), config, s3)
        found, _ = run_library(inputs, config, s3, steps.append, engines)
        return _to_answers(found, vars(steps[-1]))

    return run


def library_seq2seq(job: Job) -> Transcriber:
    """Run the same weights by the engine seq2seq: the model's other entry."""
    return library(replace(job, model=f"{job.model}-torch"))


def spark(job: Job) -> Transcriber:
    """Run this project's nightly job, in a session that is opened once."""
    from jobs import session
    from jobs.evaluate import by_spark
    from transcribe import config as configuration
    from transcribe.storage.s3 import S3Options
    from transcribe.tables.tables import Tables

    overrides = [f"spark.master=local[{job.cores}]", "job.max_failed_share=1", *_settings(job)]
    config = configuration.load(overrides=overrides)
    opened = session.open(config)

    def run(files: Sequence[File]) -> Answers:
        manifest = _write_manifest(job, files)
        output = str(manifest.parent / "out")
        found, _ = by_spark(opened, str(manifest), config, output)
        (record,) = Tables(output, S3Options()).runs.rows(list(DETAILS)).to_pylist()
        return _to_answers(found, record)

    return run


def _settings(job: Job) -> list[str]:
    beam, device = f"decode.beam_size={job.beam}", f"decode.device={job.device}"
    return ["job.region=bench", beam, device, f"model={job.model}", *job.settings]


def _write_manifest(job: Job, files: Sequence[File]) -> Path:
    manifest = Path(tempfile.mkdtemp(dir=job.folder)) / "manifest.jsonl"
    rows = [{"uri": f.path, "recording_id": f.id, "language": f.language} for f in files]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return manifest


def _to_answers(found: Mapping[str, Any], record: Mapping[str, Any]) -> Answers:
    """Convert this project's transcripts and failures."""
    answers = Answers(details={name: record[name] for name in DETAILS})
    for id_, one in found.items():
        if hasattr(one, "error"):
            answers.errors[id_] = f"{one.error}: {one.message}"[:200]
            continue
        answers.texts[id_] = one.text
        spoken = (word for utterance in one.utterances if utterance.published for word in utterance.words)
        answers.words[id_] = [(word.start_s, word.end_s, word.text) for word in spoken]
    return answers


def decode(path: str) -> Any:
    """Return float32 mono samples at 16 kHz, for systems that leave decoding to a program."""
    import av
    import numpy as np

    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    with av.open(path, metadata_errors="ignore") as container:
        frames = (out for frame in container.decode(audio=0) for out in resampler.resample(frame))
        parts = [frame.to_ndarray()[0] for frame in frames]
    parts += [frame.to_ndarray()[0] for frame in resampler.resample(None)]
    return np.concatenate(parts).astype(np.float32) / 32768


def faster_whisper(job: Job, batched: bool = False) -> Transcriber:
    from faster_whisper import BatchedInferencePipeline, WhisperModel, decode_audio

    compute_type = ctranslate2_type(job)
    model = WhisperModel(job.weights, device=job.device, compute_type=compute_type, cpu_threads=job.threads)
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

    return one_by_one(transcribe)


def ctranslate2_type(job: Job) -> str:
    return "float16" if job.device == "cuda" else "int8"


def openai_whisper(job: Job) -> Transcriber:
    import torch
    import whisper

    torch.set_num_threads(job.threads)
    model = whisper.load_model(str(Path(job.checkpoints, "openai.pt")), device=job.device)
    options = {"fp16": job.device == "cuda", "word_timestamps": job.words}
    beam = {"beam_size": job.beam} if job.beam > 1 else {}

    def transcribe(file: File) -> tuple[str, Words]:
        found = model.transcribe(decode(file.path), language=file.language, **options, **beam)
        words = [(w["start"], w["end"], w["word"]) for s in found["segments"] for w in s.get("words", ())]
        return found["text"].strip(), words

    return one_by_one(transcribe)


def transformers(job: Job) -> Transcriber:
    import torch
    from transformers import pipeline

    torch.set_num_threads(job.threads)
    recognizer = pipeline(
        "automatic-speech-recognition",
        model=str(Path(job.checkpoints, "hf")),
        device=job.device,
        dtype=torch.float16 if job.device == "cuda" else torch.float32,
        chunk_length_s=30,
        batch_size=job.batch,
    )

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

    return run


def _decoded(files: Sequence[File], read: list[str], answers: Answers) -> Iterator[dict[str, Any]]:
    """Yield the audio of files that can be decoded; each id goes to ``read`` before its audio is yielded."""
    for file in files:
        try:
            samples = decode(file.path)
        except Exception as error:
            answers.errors[file.id] = f"{type(error).__name__}: {error}"[:200]
            continue
        read.append(file.id)
        yield {"raw": samples, "sampling_rate": SAMPLE_RATE}


def whisperx(job: Job) -> Transcriber:
    import whisperx

    model = whisperx.load_model(
        job.weights,
        job.device,
        compute_type=ctranslate2_type(job),
        asr_options={"beam_size": job.beam},
        threads=job.threads,
        vad_method="pyannote",
    )

    def transcribe(file: File) -> tuple[str, Words]:
        found = model.transcribe(decode(file.path), batch_size=job.batch, language=file.language)
        return " ".join(segment["text"].strip() for segment in found["segments"]), []

    return one_by_one(transcribe)


def distribatch(job: Job, batched: bool = False) -> Transcriber:
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
    of_all = {"model": dib.models.path(job.weights), "audio_col": "path", "engine": "faster_whisper"}

    def run(files: Sequence[File]) -> Answers:
        """A job takes one language; the languages' rows are collected together."""
        frames = []
        for language in dict.fromkeys(file.language for file in files):
            rows = [(file.id, file.path) for file in files if file.language == language]
            frame = session.createDataFrame(rows, "id string, path string").repartition(len(rows))
            task = dib.TranscribeJob(language=language, engine_options=options, **of_all)
            frames.append(task.run(frame, backend="spark", output_col="answer"))
        rows = functools.reduce(DataFrame.union, frames).collect()
        return Answers(
            texts={row.id: row.answer for row in rows if not row.answer_error},
            errors={row.id: row.answer_error[:200] for row in rows if row.answer_error},
        )

    return run


@dataclass(frozen=True)
class System:
    load: Callable[[Job], Transcriber]
    packages: tuple[str, ...]  # whose versions are reported
    environment: str = ""  # of ``environments.REQUIREMENTS``; empty: the benchmark's own

    @property
    def is_ours(self) -> bool:
        return self.load in (library, library_seq2seq, spark)


_FASTER = ("faster-whisper", "ctranslate2")
SYSTEMS = {
    "library": System(library, ("ctranslate2",)),
    "library-seq2seq": System(library_seq2seq, ("torch",)),
    "spark": System(spark, ("ctranslate2", "pyspark")),
    "faster-whisper": System(faster_whisper, _FASTER),
    "faster-whisper-batched": System(partial(faster_whisper, batched=True), _FASTER),
    "openai-whisper": System(openai_whisper, ("openai-whisper", "torch"), "torch"),
    "transformers": System(transformers, ("transformers", "torch"), "torch"),
    "whisperx": System(whisperx, ("whisperx", "faster-whisper", "torch"), "whisperx"),
    "distribatch": System(distribatch, ("distribatch", *_FASTER, "pyspark"), "distribatch"),
    "distribatch-batched": System(
        partial(distribatch, batched=True), ("distribatch", *_FASTER, "pyspark"), "distribatch"
    ),
}
