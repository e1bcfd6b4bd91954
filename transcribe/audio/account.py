"""What became of a track's packets, and where its frames belong on the recording's clock.

A recording must never come out shorter than the file without an error, so what could not be read is
counted. The recording's clock is the one by which a player shows the file. Containers may begin late or
pause (sound after the picture, lost packets, muted calls) and tell so only by timestamps: that becomes
silence, or all later times would be early.
"""

from __future__ import annotations

from math import inf

import av

from transcribe.audio.container import Opened
from transcribe.audio.promises.promise import tolerated_s, truncated
from transcribe.errors import DecodeError

MIN_LATE_S = 0.1
"""A track that begins less late begins with its decoder's delay."""
MIN_PAUSE_S = 0.03
"""Less by which timestamps run ahead of the samples is rounding and drift."""
MAX_PAUSES_S = 12 * 3600.0
"""All pauses of a track together. Timestamps that ask for more, or for more than its duration, are broken."""
MAX_STEP_BACK_S = 1.0
"""Timestamps that step back by more begin a new clock: recordings were joined."""
MAX_GAP_S = 10.0
"""In containers cut from an endless clock, a longer gap is a new clock, unless other tracks go on in it."""
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")


class Account:
    """What became of a track's packets, and where on the recording's clock the next frame belongs."""

    def __init__(self, track: Opened) -> None:
        self.position_s = 0.0  # of audio handed out
        self._track = track
        self._origin_s: float | None = None  # timestamp of position 0
        self._late_s = self._paused_s = 0.0
        self._elsewhere_s: list[float] = []  # the last timestamps of other tracks
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

    def elsewhere(self, time_s: float) -> None:
        """Another track has a packet at ``time_s``."""
        self._elsewhere_s.append(time_s)

    def pause_s(self, frame: av.AudioFrame) -> float:
        """Silence due before ``frame``; moves the clock past both."""
        at_s, pause_s = frame.time, 0.0
        if at_s is not None and self._track.has_clock:
            if self._origin_s is None:
                pause_s = self._late_s = self._start(at_s)
            else:
                pause_s = self._gap(at_s)
                self._paused_s += pause_s
        self._elsewhere_s = [time_s for time_s in self._elsewhere_s if at_s is not None and time_s > at_s]
        self.position_s += pause_s + frame.samples / frame.sample_rate
        return pause_s

    def _start(self, at_s: float) -> float:
        zero_s = self._track.zero_s
        late_s = 0.0 if zero_s is None else at_s - zero_s - self.position_s
        if late_s > MIN_LATE_S and self._is_credible(late_s):
            self._origin_s = zero_s
            return late_s
        self._origin_s = at_s - self.position_s
        return 0.0

    def _gap(self, at_s: float) -> float:
        assert self._origin_s is not None
        expected_s = self._origin_s + self.position_s
        gap_s = at_s - expected_s
        if gap_s > MIN_PAUSE_S and self._is_credible(gap_s) and not self._is_new_clock(expected_s, at_s):
            return gap_s
        if not -MAX_STEP_BACK_S <= gap_s <= MIN_PAUSE_S:
            self._origin_s += gap_s
        return 0.0

    def _is_new_clock(self, expected_s: float, at_s: float) -> bool:
        if not self._track.is_endless or at_s - expected_s <= MAX_GAP_S:
            return False
        margin_s = MAX_GAP_S / 2
        return not any(expected_s + margin_s < time_s < at_s - margin_s for time_s in self._elsewhere_s)

    def _is_credible(self, pause_s: float) -> bool:
        if self.position_s + pause_s > (self._track.end_s or inf) + 1.0:
            return False
        return self._late_s + self._paused_s + pause_s <= MAX_PAUSES_S

    def check(self) -> None:
        """Raise DecodeError if a meaningful share of the track did not come out."""
        silent_s = self._late_s + self._paused_s
        audio_s = self.position_s - silent_s
        tolerance_s = tolerated_s(self.position_s)
        lost_s = self._n_unread_bytes / max(self._n_read_bytes, 1) * audio_s
        may_pause = silent_s <= tolerance_s or self._track.may_pause()
        if not may_pause:
            lost_s = max(lost_s, silent_s)
        if lost_s > tolerance_s or (self._n_unread_bytes and not audio_s):
            raise DecodeError(
                "corrupt_audio",
                f"{audio_s:.2f} s could be decoded, about {lost_s:.2f} s could not",
                "fetch the recording again: the copy is damaged",
            )
        held_s = self.position_s - self._late_s
        promised_s = self._track.promised_s
        if promised_s is not None and promised_s - held_s > tolerated_s(promised_s):
            raise truncated(promised_s, held_s)
