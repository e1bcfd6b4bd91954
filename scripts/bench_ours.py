"""This project as the benchmark runs it: the library on all files at once, and the nightly job.

Both are whole: words with times, guards and repairs, coverage, transcripts. The library's part is
``transcribe/pipeline.py`` for many recordings, whose chunks share batches as they do in the job.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from bench_job import Answers, File, Job, Loaded

from transcribe import config as configuration
from transcribe.config import Config
from transcribe.decoding import identify as language
from transcribe.decoding.decoder import Decoder
from transcribe.decoding.decoder import Job as ChunkJob
from transcribe.engines import loading
from transcribe.engines.base import Engine, identifier
from transcribe.engines.loading import choose_device
from transcribe.errors import RecordingError
from transcribe.languages import normalize_hint, whisper_code
from transcribe.models.registry import Registry
from transcribe.speech.segmenting import segment_recording
from transcribe.text.script import in_script, script_of
from transcribe.transcript.merge import merge
from transcribe.types import Chunk, Decoded, LanguageScores, Recording, Segmentation


def library(job: Job) -> Loaded:
    config = _config(job)
    entry = Registry.of(config).get(job.model)
    config = entry.applied_to(config)
    device = choose_device(config, job.threads)
    engine = loading.load(entry, config, device)

    def run(files: Sequence[File]) -> Answers:
        answers = Answers()
        heard: dict[str, tuple[Recording, Segmentation]] = {}
        work: list[ChunkJob] = []
        with ThreadPoolExecutor(device.threads) as pool:
            listened = list(pool.map(partial(_listen, config=config), files))
        for file, found in zip(files, listened, strict=True):
            if isinstance(found, RecordingError):
                answers.errors[file.id] = str(found)[:200]
                continue
            recording, (*chunks, last) = found
            heard[file.id] = (recording, last)
            work += [ChunkJob(chunk, pcm, file.language) for chunk, pcm in chunks]
        decided = _languages(work, heard, engine, config)
        work = [ChunkJob(w.chunk, w.pcm, decided[w.chunk.recording_id][0][w.chunk.channel]) for w in work]
        encoded_before_s = engine.stats.encoded_s
        decoded = Decoder(engine, config).decode(work) if work else []
        of_recording: dict[str, list[Decoded]] = defaultdict(list)
        for result in decoded:
            of_recording[result.chunk.recording_id].append(result)
        for id_, (recording, last) in heard.items():
            _, code, prob, source = decided[id_]
            script = script_of(recording, config.language.chinese_script)
            decoded_ = in_script(of_recording[id_], script)
            answers.texts[id_] = merge(recording, last, decoded_, code, prob, source).text
        status = Counter(result.verdict.status for result in decoded)
        answers.details = {
            "n_chunks": len(work),
            "n_repaired": status["repaired"],
            "n_rejected": status["rejected"],
            "encoded_s": engine.stats.encoded_s - encoded_before_s,
        }
        return answers

    return Loaded(engine.stats.load_s, run)


def _listen(file: File, config: Config) -> tuple[Recording, list[Any]] | RecordingError:
    """The recording with what ``listen`` yields (chunks with samples, ``Segmentation`` last), or why not."""
    recording = Recording(file.id, file.path, "", "bench", "2026-01-01", normalize_hint(file.language))
    try:
        return recording, list(segment_recording(recording, Path(file.path), config))
    except RecordingError as error:
        return error


def _config(job: Job) -> Config:
    settings = [f"decode.beam_size={job.beam}", f"decode.device={job.device}", f"model={job.model}"]
    return configuration.load(overrides=[*settings, *job.settings])


def _languages(
    work: Sequence[ChunkJob], heard: dict[str, tuple[Recording, Segmentation]], engine: Engine, config: Config
) -> dict[str, tuple[dict[int, str], str, float]]:
    """What ``language.decide`` says of each recording; the chunks that vote share batches."""
    spoken: dict[str, dict[int, dict[int, ChunkJob]]] = defaultdict(lambda: defaultdict(dict))
    for item in work:
        spoken[item.chunk.recording_id][item.chunk.channel][item.chunk.index] = item
    voters = [
        by_index[index]
        for id_, channels in spoken.items()
        if heard[id_][0].language is None
        for by_index in channels.values()
        for index in language.choose_chunks(
            {i: w.chunk.speech_s for i, w in by_index.items()}, config.language
        )
    ]
    ballots: dict[tuple[str, int], list[tuple[LanguageScores, float]]] = defaultdict(list)
    for voter, scores in zip(
        voters, identifier(engine).identify_language([w.audio for w in voters]) if voters else [], strict=True
    ):
        ballots[voter.chunk.recording_id, voter.chunk.channel].append((scores, voter.chunk.speech_s))
    decided = {}
    for id_, (recording, _) in heard.items():
        voted = {c: language.vote(votes, config.language) for (i, c), votes in ballots.items() if i == id_}
        chunks: list[Chunk] = [w.chunk for by_index in spoken[id_].values() for w in by_index.values()]
        speech_s = language.speech_by_channel((chunk.channel, chunk.speech_s) for chunk in chunks)
        hint = recording.language and whisper_code(recording.language)
        decided[id_] = language.decide(hint, voted, speech_s, config.language)
    return decided


def spark(job: Job) -> Loaded:
    from jobs import nightly, session

    settings = [
        *(f"decode.beam_size={job.beam}", f"decode.device={job.device}", f"model={job.model}"),
        *(f"spark.master=local[{job.cores}]", "job.region=bench", "job.max_failed_share=1"),
        *job.settings,
    ]
    opened = session.open(configuration.load(overrides=settings))

    def run(files: Sequence[File]) -> Answers:
        folder = Path(tempfile.mkdtemp(dir=job.folder))
        manifest = folder / "manifest.jsonl"
        rows = [{"uri": f.path, "recording_id": f.id, "language": f.language} for f in files]
        manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        started = time.perf_counter()
        report = nightly.run(opened, input=str(manifest), output=str(folder / "out"), overrides=settings)
        run_s = time.perf_counter() - started
        published = report.run.tables.transcripts.rows(["recording_id", "text"])
        result = report.outcome.result
        return Answers(
            {row["recording_id"]: row["text"] for row in published.to_pylist()},
            {f.recording_id: f"{f.error}: {f.message}"[:200] for f in result.failures},
            {
                "n_chunks": result.n_chunks,
                "n_repaired": result.n_repaired,
                "n_rejected": result.n_rejected,
                "encoded_s": result.encoded_s,
                "run_s": run_s,
                "segment_task_s": result.segment_task_s,
                "transcribe_task_s": result.transcribe_task_s,
                "model_load_s": result.model_load_s,
            },
        )

    return Loaded(0.0, run)
