"""A recording's container: opened by content, described, or refused with the true reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, TypeAlias, cast

import av
from av.container import InputContainer

from transcribe.audio import sniff
from transcribe.config import HeaderlessConfig
from transcribe.errors import ConfigError, DecodeError, StorageError

Source: TypeAlias = "str | Path | BinaryIO"
"""A local path, or a seekable binary file object."""

MAX_CHANNELS = 64
_COUNTED = {"flac", "mov,mp4,m4a,3gp,3g2,mj2", "aiff", "au", "wv", "tta"}
"""Containers whose duration is a count of samples, not an estimate from the file's size."""


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says."""

    codec: str
    sample_rate: int  # of the file; decoded blocks have types.SAMPLE_RATE
    n_channels: int
    duration_s: float | None  # an estimate for some formats (MP3); None: unknown


@dataclass(frozen=True)
class Opened:
    file: BinaryIO
    container: InputContainer
    stream: av.AudioStream
    info: AudioInfo
    promised_s: float | None  # what the file must hold; None where the header only estimates


@contextmanager
def opened(
    source: Source, headerless: Mapping[str, HeaderlessConfig], name: str | None = None
) -> Iterator[Opened]:
    """Open the audio of ``source``. Errors as in ``audio.blocks``, of reading while it is open too.

    The name's extension only chooses among ``headerless`` formats, and only for content without a header.
    """
    name = name or str(source if isinstance(source, (str, Path)) else getattr(source, "name", ""))
    try:
        with (
            _file(source) as file,
            closing(_open(file, headerless.get(PurePath(name).suffix.lower()))) as container,
        ):
            yield _described(container, file)
    except FileNotFoundError:
        raise StorageError(
            "not_found", f"{name} does not exist", "check the manifest, or restore it"
        ) from None
    except OSError as error:
        raise StorageError("not_readable", f"{name}: {error}", "check its permissions and storage") from None


def _file(source: Source) -> AbstractContextManager[BinaryIO]:
    return Path(source).open("rb") if isinstance(source, (str, Path)) else nullcontext(source)


class _Unnamed:
    """A file without the ``name`` by which libav would guess a format before it looks inside."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def _open(file: BinaryIO, headerless: HeaderlessConfig | None) -> InputContainer:
    n_bytes = file.seek(0, 2)
    file.seek(0)
    head = file.read(sniff.N_HEAD_BYTES)
    if not n_bytes:
        raise DecodeError("empty_file", "the file has 0 bytes", "fetch the recording again")
    raw = None if sniff.has_audio_header(head) else headerless
    sniff.refuse_documents(head, headerless=raw is not None)
    # Big PCM packets, for speed; no protocols: a playlist in the recording's place must not open other files.
    options = {"max_size": "16384", "protocol_whitelist": "none"}
    if raw is not None:
        if raw.format not in av.formats_available:
            raise ConfigError(
                "audio.headerless", raw.format, "name a demuxer of FFmpeg, such as s16le or gsm"
            )
        options |= {"sample_rate": str(raw.sample_rate), "ch_layout": f"{raw.n_channels}c"}
    elif head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        options |= sniff.wav_options(file, n_bytes)
    file.seek(0)
    try:
        container = av.open(
            _Unnamed(file), format=raw.format if raw else None, options=options, metadata_errors="replace"
        )
    except av.error.MemoryError:
        raise
    except av.error.FFmpegError:
        raise sniff.undecodable(head, n_bytes) from None
    return cast(InputContainer, container)


def _described(container: InputContainer, file: BinaryIO) -> Opened:
    stream = container.streams.best("audio")
    if not isinstance(stream, av.AudioStream):
        if container.streams.audio:
            raise DecodeError("corrupt_audio", "the header describes no possible audio", "fetch it again")
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "no tracks"
        raise DecodeError(
            "no_audio_track", f"the file holds {kinds} but no audio", "export it with its sound"
        )
    codec = stream.codec_context
    if codec is None or (codec.format and codec.format.name.startswith("s64")):
        raise DecodeError(
            "no_decoder", "no decoder for the file's audio codec", "convert it, to FLAC for example"
        )
    if not (1000 <= codec.sample_rate <= 768_000 and 1 <= codec.channels <= MAX_CHANNELS):
        claim = f"{codec.channels} channels at {codec.sample_rate} Hz"
        raise DecodeError("corrupt_audio", f"the header claims {claim}", "fetch the recording again")
    duration_s = _duration_s(container, stream)
    promised_s = duration_s if _is_count(container) else None
    if container.format.name == "mp3" and (n_samples := sniff.mp3_samples(file)) is not None:
        promised_s = n_samples / codec.sample_rate
    info = AudioInfo(codec.codec.canonical_name, codec.sample_rate, codec.channels, duration_s)
    return Opened(file, container, stream, info, promised_s)


def _duration_s(container: InputContainer, stream: av.AudioStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _is_count(container: InputContainer) -> bool:
    """Is the header's duration a count of the audio itself, so that less of it is a loss?"""
    if container.format.name == "matroska,webm":
        return all(stream.type == "audio" for stream in container.streams)  # else it may be the video's
    return container.format.name in _COUNTED
