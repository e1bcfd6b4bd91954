"""What became of a file's packets, and where its frames belong on the recording's clock.

A recording must never come out shorter than the file without an error, so what could not be read is
counted. The clock starts at the first decoded sample. Containers may pause (lost packets, muted calls)
and tell so only by timestamps; a pause becomes silence, or all later times would be early.
"""

from __future__ import annotations

import av

from transcribe.audio import sniff
from transcribe.audio.container import Opened
from transcribe.errors import DecodeError

MIN_PAUSE_S = 0.1
"""Smaller jumps of the timestamps are rounding and drift."""
MAX_PAUSES_S = 12 * 3600.0
"""All pauses of a file together. Timestamps that ask for more, or for more than its duration, are broken."""
_GAPLESS = {"flac", "vorbis", "wmav1", "wmav2", "wmapro", "wmalossless"}
"""Codecs that never pause: a jump of their timestamps is damage."""
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")


class Account:
    """What became of a stream's packets, and where on the recording's clock the next frame belongs."""

    def __init__(self, duration_s: float | None) -> None:
        self.position_s = 0.0  # of audio handed out
        self._duration_s = duration_s
        self._origin_s: float | None = None  # timestamp of position 0
        self._expected_s = 0.0  # timestamp the next frame has unless the container pauses
        self._start_s = 0.0
        self._paused_s = 0.0
        self._n_read_bytes = self._n_unread_bytes = 0
        self._in_tag = self._in_unread = False

    def read(self, packet: av.Packet[av.AudioStream]) -> None:
        self._n_read_bytes += packet.size
        self._in_unread = False

    def unread(self, packet: av.Packet[av.AudioStream]) -> None:
        if not self._in_unread:  # embedded tags (cover images) are no audio, however long
            self._in_tag = bytes(packet).startswith(_TAGS)
        self._in_unread = True
        self._n_unread_bytes += 0 if self._in_tag else packet.size

    def pause_s(self, frame: av.AudioFrame) -> float:
        """Silence due before ``frame``; moves the clock past both."""
        pause_s, duration_s = 0.0, frame.samples / frame.sample_rate
        at_s = frame.time
        if at_s is None:
            at_s = self._expected_s
        elif self._origin_s is None:
            self._origin_s, self._start_s = at_s - self.position_s, max(at_s, 0.0)
        elif at_s - self._expected_s > MIN_PAUSE_S:
            ahead_s = at_s - self._origin_s - self.position_s
            if not self._is_credible(ahead_s):
                self._origin_s += ahead_s
            elif ahead_s > MIN_PAUSE_S:
                pause_s = ahead_s
        self._expected_s = at_s + duration_s
        self._paused_s += pause_s
        self.position_s += pause_s + duration_s
        return pause_s

    def _is_credible(self, pause_s: float) -> bool:
        if self._duration_s is not None and self.position_s + pause_s > self._duration_s + 1.0:
            return False
        return self._paused_s + pause_s <= MAX_PAUSES_S

    def check(self, file: Opened) -> None:
        """Raise DecodeError if a meaningful share of ``file`` did not come out."""
        audio_s = self.position_s - self._paused_s
        tolerated_s = sniff.tolerated_s(self.position_s)
        lost_s = self._n_unread_bytes / max(self._n_read_bytes, 1) * audio_s
        if self._paused_s > tolerated_s and not _may_pause(file):
            lost_s = max(lost_s, self._paused_s)
        if lost_s > tolerated_s or (self._n_unread_bytes and not audio_s):
            raise DecodeError(
                "corrupt_audio",
                f"{audio_s:.2f} s could be decoded, about {lost_s:.2f} s could not",
                "fetch the recording again: the copy is damaged",
            )
        held_s = self._start_s + self.position_s
        if file.promised_s is not None and file.promised_s - held_s > tolerated_s:
            raise sniff.truncated(file.promised_s, held_s)


def _may_pause(file: Opened) -> bool:
    """Are jumps of the timestamps pauses of the recording, or damage?"""
    if file.info.codec in _GAPLESS:
        return False
    return file.container.format.name != "ogg" or sniff.is_whole_ogg(file.file)
