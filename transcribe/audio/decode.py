"""Any container → float32 blocks at 16 kHz, streaming: memory does not grow with a recording's length.

libav takes the format from the content, reads in full what other decoders cut short, and says in its packets
and timestamps what it could not read (``account.py``); ``pcm.py`` says what libsndfile reads instead.
Channels are kept apart; ``channels.py`` decides what becomes of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from math import inf
from typing import cast

import av
import numpy as np
import numpy.typing as npt
import soxr

from transcribe.audio import frames, pcm
from transcribe.audio.account import Account
from transcribe.audio.container import AudioInfo, Opened, Source, encrypted, opened
from transcribe.audio.levels import PIECE_SAMPLES, levelled
from transcribe.audio.promises.promise import tolerated_s, truncated
from transcribe.config import HeaderlessConfig
from transcribe.errors import DecodeError
from transcribe.types import SAMPLE_RATE

Block = npt.NDArray[np.float32]
"""Audio of all channels: shape (n_channels, n_samples), nominally in [-1, 1]."""

MAX_VALUES = 1 << 22
"""Samples of all channels in one block: 16 MB, as long as a block is for a stereo recording or less."""

_MISTAKEN = {"pcm_f16le", "pcm_f24le"}
"""What libav takes integers of 16 and 24 valid bits in 32 for; nothing else is stored so."""


def probe(
    source: Source, *, headerless: Mapping[str, HeaderlessConfig], name: str | None = None
) -> AudioInfo:
    """Read the header of a file, or of a seekable binary file object called ``name``.

    ``headerless`` maps lower-case extensions to the format of files that carry no header. Raises
    DecodeError or StorageError as ``blocks`` does, where the header is enough to know.
    """
    with opened(source, headerless, name) as file:
        return file.info


def blocks(
    source: Source,
    *,
    headerless: Mapping[str, HeaderlessConfig],
    name: str | None = None,
    block_s: float = 30.0,
) -> Iterator[Block]:
    """Decode all of a recording: blocks at ``SAMPLE_RATE``, each ``block_s`` long but for the last one.

    Blocks of many channels are shorter, so that they hold at most ``MAX_VALUES``. The samples do not depend
    on ``block_s``. Yields nothing for an empty recording. Raises, possibly after the last block (then what
    came before is incomplete): DecodeError with ``empty_file``, ``pointer_file``, ``not_audio``,
    ``no_audio_track``, ``no_decoder``, ``encrypted``, ``unsupported_rate``, ``truncated``,
    ``corrupt_audio`` or ``bad_scale``; StorageError with ``not_found`` or ``not_readable``.
    """
    with opened(source, headerless, name) as file:
        n_channels = file.info.n_channels
        most = MAX_VALUES // n_channels

        def measured() -> Iterator[Block]:
            parts = (piece for part in file.parts() for piece in _side_by_side(part))
            return _regrouped(
                (_with_channels(piece, n_channels) for piece in parts), min(PIECE_SAMPLES, most)
            )

        size = min(max(round(block_s * SAMPLE_RATE), 1), most)
        yield from _regrouped(levelled(measured, n_channels), size)


def _side_by_side(part: list[AbstractContextManager[Opened]]) -> Iterator[Block]:
    """The channels of all tracks of a joined recording; shorter tracks end with silence."""
    with ExitStack() as stack:
        tracks = [stack.enter_context(track) for track in part]
        streams = [_resampled(_decoded(track), track.n_channels) for track in tracks]
        if len(tracks) == 1:
            yield from streams[0]
            return
        for pieces in itertools.zip_longest(*(_regrouped(stream, SAMPLE_RATE) for stream in streams)):
            n_samples = max(piece.shape[1] for piece in pieces if piece is not None)
            block = np.zeros((sum(track.n_channels for track in tracks), n_samples), np.float32)
            top = 0
            for track, piece in zip(tracks, pieces, strict=True):
                if piece is not None:
                    block[top : top + track.n_channels, : piece.shape[1]] = piece
                top += track.n_channels
            yield block


def _decoded(track: Opened) -> Iterator[tuple[int, Block]]:
    """(sample rate, samples) in the order of the file. What is no finite number becomes 0."""
    position_s = void_s = 0.0
    for rate, samples in _read(track):
        position_s += samples.shape[1] / rate
        is_number = np.isfinite(samples)
        if not is_number.all():
            void_s += float((~is_number).mean()) * samples.shape[1] / rate
            samples = np.where(is_number, samples, np.float32(0))
        yield rate, samples
    if void_s > tolerated_s(position_s):
        raise DecodeError(
            "corrupt_audio",
            f"{void_s:.2f} s of its {position_s:.2f} s of samples are no numbers",
            "fetch or export the recording again",
        )


def _read(track: Opened) -> Iterator[tuple[int, Block]]:
    """By libsndfile or libav."""
    codec = track.stream.codec_context.name
    sound = pcm.opened(track.file) if codec.startswith("pcm_") else None  # DTS and AC-3 may hide in PCM
    if sound is None:
        if codec in _MISTAKEN:
            raise DecodeError(
                "no_decoder", "no decoder for its width of samples", "convert it, to FLAC for example"
            )
        yield from _demuxed(track)
        return
    rate, held_s = sound.samplerate, sound.frames / sound.samplerate
    for samples in pcm.pieces(sound):
        yield rate, _with_channels(samples, track.n_channels)
    if track.promised_s is not None and track.promised_s - held_s > tolerated_s(track.promised_s):
        raise truncated(track.promised_s, held_s)


def _demuxed(track: Opened) -> Iterator[tuple[int, Block]]:
    """By libav, pauses as silence."""
    account, n_channels = Account(track), track.n_channels
    clocks = list(track.container.streams.video) if track.is_endless else []
    try:
        for packet in track.container.demux([track.stream, *clocks]):
            if packet.stream_index != track.stream.index:
                if packet.pts is not None:
                    account.elsewhere(float(packet.pts * packet.time_base))
                continue
            if packet.has_sidedata("encryption_info"):
                raise encrypted()
            if packet.pos is not None and packet.pos in track.slots:
                packet.pts = packet.dts = track.slots[packet.pos]
            for frame in _frames(cast("av.Packet[av.AudioStream]", packet), account):
                rate = frame.sample_rate
                n_silent = round(account.pause_s(frame) * rate)
                for start in range(0, n_silent, rate):
                    yield rate, np.zeros((n_channels, min(rate, n_silent - start)), np.float32)
                yield rate, _with_channels(frames.samples(frame), n_channels)
    except av.error.MemoryError:
        raise
    except (av.error.FFmpegError, IndexError) as error:  # harmless at the end: half a frame, padding
        reason = "another track begins" if isinstance(error, IndexError) else error.strerror
        left_s = (track.end_s or inf) - account.position_s
        if left_s > tolerated_s(account.position_s):
            raise DecodeError(
                "corrupt_audio",
                f"cannot be read beyond {account.position_s:.2f} s ({reason})",
                "fetch the recording again: the copy is damaged",
            ) from None
    account.check()


def _frames(packet: av.Packet[av.AudioStream], account: Account) -> list[av.AudioFrame]:
    try:
        decoded = packet.decode()
    except av.error.MemoryError:
        raise
    except av.error.FFmpegError:
        account.unread(packet)
        return []
    account.read(packet)
    return decoded


def _with_channels(samples: Block, n_channels: int) -> Block:
    """``samples`` as they are, or, where the layout changes inside the file, their mix on every channel."""
    if len(samples) == n_channels:
        return samples
    return np.repeat(samples.mean(axis=0, keepdims=True), n_channels, axis=0)


def _resampled(pieces: Iterable[tuple[int, Block]], n_channels: int) -> Iterator[Block]:
    """At ``SAMPLE_RATE``. The rate may change inside a file of joined recordings."""
    for rate, run in itertools.groupby(pieces, key=lambda piece: piece[0]):
        parts = (samples for _, samples in run)
        if rate == SAMPLE_RATE:
            yield from parts
            continue
        resampler = soxr.ResampleStream(rate, SAMPLE_RATE, n_channels, dtype="float32", quality="HQ")
        for part in _regrouped(parts, rate):  # a second at a time: calls cost more than samples
            yield resampler.resample_chunk(part.T).T
        yield resampler.resample_chunk(np.zeros((0, n_channels), np.float32), last=True).T


def _regrouped(pieces: Iterable[Block], n_samples: int) -> Iterator[Block]:
    """The same audio in blocks of ``n_samples``, the last one shorter, none empty."""
    waiting: list[Block] = []
    n_waiting = 0
    for piece in pieces:
        if not waiting and piece.shape[1] == n_samples and piece.flags.c_contiguous:
            yield piece
            continue
        waiting.append(piece)
        n_waiting += piece.shape[1]
        while n_waiting >= n_samples:
            joined = np.concatenate(waiting, axis=1)
            yield np.ascontiguousarray(joined[:, :n_samples])
            waiting, n_waiting = [joined[:, n_samples:]], n_waiting - n_samples
    if n_waiting:
        yield np.concatenate(waiting, axis=1)
