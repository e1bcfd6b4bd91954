"""A recording's container: opened by content, described, or refused with the true reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, TypeAlias, cast

import av
from av.container import InputContainer
from av.stream import Disposition

from transcribe.audio import frames, joined, sniff
from transcribe.audio.promises import asf, avi, matroska, ogg, plain, promise, riff
from transcribe.audio.promises.promise import Promise, hold
from transcribe.audio.window import Window
from transcribe.config import HeaderlessConfig
from transcribe.errors import ConfigError, DecodeError, StorageError

Source: TypeAlias = "str | Path | BinaryIO"
"""A local path, or a seekable binary file object."""

MAX_CHANNELS = 64
MAX_SAMPLE_RATE = 192_000
_COUNTED = {"flac", "mov,mp4,m4a,3gp,3g2,mj2", "aiff", "au", "wv", "tta", "w64", "caf", "ogg"}
"""Containers whose duration of a track is a count of samples, not an estimate from the file's size."""
_COUNTED_AS_A_WHOLE = {"matroska,webm", "asf", "flv"}
"""Containers whose only duration is that of their longest track."""
_FROM_ZERO = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "flv", "asf", "nut", "mxf", "gxf"}
"""Containers whose clock begins at 0: what begins later is late."""
_FROM_FIRST = {"mpegts", "mpeg"}
"""Containers that are cut from an endless clock: late is what begins after the first track."""
_PROTECTED_TAGS = {"drms", "aavd"}
"""Sample entries of MP4 whose sound is encrypted by a shop: Apple's (m4p) and Audible's (aax)."""
_WITH_CLOCK = _FROM_ZERO | _FROM_FIRST | {"ogg", "flac", "rm", "wtv"}
"""Containers that give each packet a time; elsewhere libav only counts what came before."""


@dataclass(frozen=True)
class Track:
    """One audio track of a file: its channels follow those of the track before."""

    n_channels: int
    language: str | None = None  # as tagged, mostly ISO 639-2; qaa is an original version; None: untagged
    purpose: str = ""  # commentary, description or the like by its flags; empty: the recording itself


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says."""

    codec: str
    sample_rate: int  # of the file; decoded blocks have types.SAMPLE_RATE
    n_channels: int  # of all tracks
    duration_s: float | None  # an estimate for some formats (MP3); None: unknown
    tracks: tuple[Track, ...] = ()


@dataclass(frozen=True)
class Opened:
    """One audio track, ready to be decoded."""

    file: Window
    container: InputContainer
    stream: av.AudioStream
    n_channels: int
    promised_s: float | None  # what the track must hold; None where the header only estimates
    zero_s: float | None  # the timestamp at which the file's clock begins; None: at the track's first
    end_s: float | None  # on the file's clock, as far as the header knows
    has_clock: bool  # timestamps say more than the samples do
    is_endless: bool  # cut from an endless clock: it may jump where recordings were joined
    may_pause: Callable[[], bool]  # are jumps of its timestamps pauses, or damage?
    slots: Mapping[int, int]  # timestamps of packets by their position, where libav does not know better


class AudioFile:
    """An open file: one recording, or several joined, each with one or more tracks."""

    def __init__(self, file: BinaryIO, raw: HeaderlessConfig | None) -> None:
        whole = Window(file)
        self._file, self._raw = whole if raw else joined.without_tags(whole), raw
        with self._opened(self._file, 0) as first:
            self.info = _info(first.container)

    def parts(self) -> Iterator[list[AbstractContextManager[Opened]]]:
        """The tracks of each joined recording, each with a container of its own: they are read apart."""
        windows = [self._file] if self._raw else joined.parts(self._file)
        for number, window in enumerate(windows):
            ogg.refuse_cut(window)
            n_tracks = len(self.info.tracks) if number == 0 else self._n_tracks(window)
            yield [self._opened(window, k) for k in range(n_tracks)]

    def _n_tracks(self, window: Window) -> int:
        with self._opened(window, 0) as first:
            return len(_streams(first.container))

    @contextmanager
    def _opened(self, window: Window, index: int) -> Iterator[Opened]:
        promised = Promise() if self._raw else promise(window)
        try:
            container = _open(window.part(0, window.n_bytes), self._raw)
        except DecodeError:
            hold(promised, window.n_bytes)  # the better reason, if it is one
            raise
        with closing(container):
            yield _described(container, window, index, promised)


@contextmanager
def opened(
    source: Source, headerless: Mapping[str, HeaderlessConfig], name: str | None = None
) -> Iterator[AudioFile]:
    """Open the audio of ``source``. Errors as in ``decode.blocks``, of reading while it is open too.

    The name's extension only chooses among ``headerless`` formats, and only for content without a header.
    """
    name = name or str(source if isinstance(source, (str, Path)) else getattr(source, "name", ""))
    try:
        with _file(source) as file:
            file.seek(0)
            is_named = sniff.has_audio_header(file.read(sniff.N_HEAD_BYTES))
            yield AudioFile(file, None if is_named else headerless.get(PurePath(name).suffix.lower()))
    except FileNotFoundError:
        raise StorageError(
            "not_found", f"{name} does not exist", "check the manifest, or restore it"
        ) from None
    except OSError as error:
        raise StorageError("not_readable", f"{name}: {error}", "check its permissions and storage") from None


def _file(source: Source) -> AbstractContextManager[BinaryIO]:
    return Path(source).open("rb") if isinstance(source, (str, Path)) else nullcontext(source)


def _open(file: Window, raw: HeaderlessConfig | None) -> InputContainer:
    head = file.at(0, sniff.N_HEAD_BYTES)
    if not file.n_bytes:
        raise DecodeError("empty_file", "the file has 0 bytes", "fetch the recording again")
    sniff.refuse_documents(head, headerless=raw is not None)
    if raw is None and (big := riff.big_endian(file)):
        raw, file = big
    # No protocols: a playlist in the recording's place must not open other files.
    options = {"protocol_whitelist": "none"}
    if raw is not None:
        if raw.format not in av.formats_available:
            raise ConfigError(
                "audio.headerless", raw.format, "name a demuxer of FFmpeg, such as s16le or gsm"
            )
        options |= {"sample_rate": str(raw.sample_rate), "ch_layout": f"{raw.n_channels}c"}
    elif head[:4] in riff.WAVES and head[8:12] == b"WAVE":
        options |= riff.wave_options(file)
    file.seek(0)
    try:
        container = av.open(
            file, format=raw.format if raw else None, options=options, metadata_errors="replace"
        )
    except av.error.MemoryError:
        raise
    except av.error.FFmpegError:
        raise sniff.undecodable(head, file.n_bytes) from None
    return cast(InputContainer, container)


def _streams(container: InputContainer) -> list[av.AudioStream]:
    """The audio tracks that can be decoded. Raises DecodeError if there is none."""
    if not container.streams.audio:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "no tracks"
        raise DecodeError(
            "no_audio_track", f"the file holds {kinds} but no audio", "export it with its sound"
        )
    refusals = {stream: _refusal(stream) for stream in container.streams.audio}
    usable = [stream for stream, refusal in refusals.items() if refusal is None]
    if not usable:
        raise next(refusal for refusal in refusals.values() if refusal)
    return usable


def _refusal(stream: av.AudioStream) -> DecodeError | None:
    codec = stream.codec_context
    if codec is None or (codec.format and codec.format.name.startswith("s64")):
        return DecodeError(
            "no_decoder", "no decoder for the file's audio codec", "convert it, to FLAC for example"
        )
    if _is_protected(stream):
        return encrypted()
    n_channels = frames.n_channels(codec)
    if not (1000 <= codec.sample_rate <= 768_000 and 1 <= n_channels <= MAX_CHANNELS):
        claim = f"{n_channels} channels at {codec.sample_rate} Hz"
        return DecodeError(
            "corrupt_audio", f"the header claims impossible audio: {claim}", "fetch the recording again"
        )
    if codec.sample_rate > MAX_SAMPLE_RATE:
        return DecodeError(
            "unsupported_rate",
            f"{codec.sample_rate} Hz; at most {MAX_SAMPLE_RATE} are read",
            "convert it to 48000 Hz or less",
        )
    return None


def _is_protected(stream: av.AudioStream) -> bool:
    """Return True if the header names an encryption; MP4's common one is only told by its packets."""
    if "enc_key_id" in stream.metadata:  # WebM, Matroska
        return True
    try:
        return stream.codec_context.codec_tag in _PROTECTED_TAGS
    except UnicodeDecodeError:  # PyAV takes every tag for ASCII
        return False


def encrypted() -> DecodeError:
    """Return the error for a recording whose sound cannot be read without a key."""
    return DecodeError(
        "encrypted",
        "its sound is encrypted (copy protection, DRM) and the file does not hold the key",
        "get a decrypted copy from where the recording comes from: fetching this one again does not help",
    )


def _info(container: InputContainer) -> AudioInfo:
    streams = _streams(container)
    tracks = tuple(Track(frames.n_channels(s.codec_context), _language(s), _purpose(s)) for s in streams)
    n_channels = sum(track.n_channels for track in tracks)
    if n_channels > MAX_CHANNELS:
        raise DecodeError(
            "corrupt_audio", f"the header claims {n_channels} channels", "fetch the recording again"
        )
    known_s = [s for s in (_duration_s(stream) for stream in streams) if s is not None]
    duration_s = max(known_s, default=None) or (container.duration or 0) / av.time_base or None
    codec = streams[0].codec_context
    return AudioInfo(codec.codec.canonical_name, codec.sample_rate, n_channels, duration_s, tracks)


def _language(stream: av.AudioStream) -> str | None:
    language = (stream.metadata.get("language") or "und").lower()
    return None if language == "und" else language


def _purpose(stream: av.AudioStream) -> str:
    """Return what the track's flags say it is for; a title is whatever people write."""
    kinds = {
        "commentary": Disposition.comment,
        "description": Disposition.visual_impaired | Disposition.descriptions,
        "hearing_impaired": Disposition.hearing_impaired,
        "music": Disposition.clean_effects | Disposition.karaoke,
    }
    return next((kind for kind, flag in kinds.items() if stream.disposition & flag), "")


def _described(container: InputContainer, file: Window, index: int, promised: Promise) -> Opened:
    stream = _streams(container)[index]
    format_ = container.format.name
    duration_s = container.duration / av.time_base if container.duration else None
    hold(Promise(promised.duration_s or duration_s, promised.n_bytes), file.n_bytes)
    start_s = (container.start_time or 0) / av.time_base
    zero_s = None
    if format_ in _FROM_FIRST:
        zero_s = start_s
    elif format_ in _FROM_ZERO:  # a beginning later than all the duration is another clock's
        zero_s = 0.0 if start_s <= (duration_s or 0.0) else start_s
    return Opened(
        file.part(0, file.n_bytes),
        container,
        stream,
        frames.n_channels(stream.codec_context),
        _promised_s(container, stream, promised, file),
        zero_s,
        None if duration_s is None else max(start_s, 0.0) + duration_s,
        format_ in _WITH_CLOCK,
        format_ in _FROM_FIRST,
        lambda: _may_pause(format_, file),
        avi.slots(file, stream.index) if format_ == "avi" else {},
    )


def _duration_s(stream: av.AudioStream) -> float | None:
    if stream.duration is None or stream.time_base is None:
        return None
    return float(stream.duration * stream.time_base) - _clock_begins_s(stream)


def _clock_begins_s(stream: av.AudioStream) -> float:
    """Return what libav adds to a track's duration: in Ogg Opus the clock's first time, which may be any."""
    if stream.container.format.name != "ogg" or stream.codec_context.codec.canonical_name != "opus":
        return 0.0
    return float((stream.start_time or 0) * (stream.time_base or 0))


def _promised_s(
    container: InputContainer, stream: av.AudioStream, promised: Promise, file: Window
) -> float | None:
    """How much audio the track must hold by its container's own count."""
    is_alone = len(container.streams) == 1
    if container.format.name == "avi":
        return avi.length_s(file, stream.index)
    if container.format.name in _COUNTED:
        late_s = _clock_begins_s(stream)  # where pages are missing, it is time that was lost
        return (_duration_s(stream) or 0.0) + (late_s if late_s and not ogg.links(file)[0].is_whole else 0.0)
    if container.format.name in _COUNTED_AS_A_WHOLE and is_alone and container.duration:
        start_s = float((stream.start_time or 0) * (stream.time_base or 0))
        return (promised.duration_s or container.duration / av.time_base) - max(start_s, 0.0)
    return promised.duration_s if is_alone else None


def _may_pause(format_: str, file: Window) -> bool:
    """Are jumps of the timestamps pauses of the recording, or damage?"""
    if format_ == "ogg":
        return ogg.links(file)[0].is_whole
    if format_ == "matroska,webm":
        return matroska.is_whole(file)
    if format_ == "asf":
        return asf.is_whole(file)
    if format_ == "flv":
        return plain.is_whole_flv(file)
    return format_ != "flac"
