"""Voice activity detection: one channel's audio in, speech segments out, block by block.

The network is Silero VAD v6 (ONNX, as shipped inside faster-whisper): one speech probability for
each 32 ms window. It is run over many windows in one call. Its LSTM state begins anew every
``RESTART_S`` of the recording, since the longer it has listened the less sure it is of quiet speech; the
``WARM_UP_S`` before are heard once more then. So the result depends neither on block sizes nor on what
was said minutes ago, and memory does not grow with the recording.

Probabilities become segments by hysteresis: speech starts at ``threshold``, ends after
``min_silence_ms`` below ``neg_threshold``. Soon after speech, more speech is likely, so both thresholds are
lower for ``NEAR_S``: a short word between two pauses is found. A segment that would grow past
``max_segment_s`` is cut at its least speech-like moment. Pauses are kept short here: packing segments is
chunking's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from transcribe.config import VadConfig
from transcribe.models.cache import fetch
from transcribe.models.networks import VAD_NETWORK
from transcribe.types import SAMPLE_RATE, Samples, Segment

WINDOW_SAMPLES = 512
CONTEXT_SAMPLES = 64
WINDOW_S = WINDOW_SAMPLES / SAMPLE_RATE
RESTART_S, WARM_UP_S = 10.0, 3.0
"""A call of 245 s lost words from 232 s on with a state carried all along, and none with these."""
NEAR_S = 3.0
NEAR_FACTOR = 0.6
"""Times both thresholds. On 3,600 s of speech of the shared kinds 2.5 % more is sent to the model for it."""
_RESTART_WINDOWS, _WARM_UP_WINDOWS = round(RESTART_S / WINDOW_S), round(WARM_UP_S / WINDOW_S)


class SpeechProbabilities:
    """Silero's probability for each 32 ms window of one channel, streaming."""

    def __init__(self) -> None:
        self._session = _session()
        self._h = self._c = np.zeros((1, 1, 128), np.float32)
        self._n_since_restart = 0  # windows
        self._recent = np.zeros((0, CONTEXT_SAMPLES + WINDOW_SAMPLES), np.float32)  # the last, for a warm-up
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._rest: Samples = np.zeros(0, np.float32)

    def feed(self, samples: Samples) -> npt.NDArray[np.float32]:
        """Probabilities of the windows completed by ``samples``; shape (n_windows,)."""
        samples = np.concatenate([self._rest, samples])
        n_windows = len(samples) // WINDOW_SAMPLES
        self._rest = samples[n_windows * WINDOW_SAMPLES :]
        return self._run(samples[: n_windows * WINDOW_SAMPLES])

    def finish(self) -> npt.NDArray[np.float32]:
        """The last, zero-padded window: shape (1,), or (0,) when nothing is left."""
        if not len(self._rest):
            return np.zeros(0, np.float32)
        window = np.pad(self._rest, (0, WINDOW_SAMPLES - len(self._rest)))
        self._rest = np.zeros(0, np.float32)
        return self._run(window)

    def _run(self, samples: Samples) -> npt.NDArray[np.float32]:
        if not len(samples):
            return np.zeros(0, np.float32)
        windows = samples.reshape(-1, WINDOW_SAMPLES)
        tails = windows[:, -CONTEXT_SAMPLES:]
        context = np.concatenate([self._context[None], tails[:-1]])
        self._context = tails[-1].copy()
        batch = np.ascontiguousarray(np.concatenate([context, windows], axis=1), np.float32)
        probs = []
        while len(batch):
            if self._n_since_restart == _RESTART_WINDOWS:
                self._restart()
            part, batch = np.split(batch, [_RESTART_WINDOWS - self._n_since_restart])
            probs.append(self._listen(part))
            self._n_since_restart += len(part)
            self._recent = np.concatenate([self._recent, part])[-_WARM_UP_WINDOWS:]
        return np.concatenate(probs)

    def _restart(self) -> None:
        self._h = self._c = np.zeros((1, 1, 128), np.float32)
        self._n_since_restart = 0
        self._listen(self._recent)

    def _listen(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        output, self._h, self._c = self._session.run(None, {"input": batch, "h": self._h, "c": self._c})
        return np.asarray(output, np.float32).reshape(-1)


class SegmentDetector:
    """Turns one channel's audio into segments, in time order and without overlap."""

    def __init__(self, channel: int, config: VadConfig) -> None:
        self._channel = channel
        self._config = config
        self._network = SpeechProbabilities()
        self._n_windows = 0  # seen so far
        self._n_samples = 0
        self._open: list[float] = []  # probabilities since the open segment's start
        self._start_window = 0
        self._silent_since: int | None = None  # window at which the open segment may have ended
        self._spoken_until_s = -NEAR_S  # end of the last segment

    @property
    def idle_since_s(self) -> float:
        """Up to this moment every segment has been returned: no later one starts before it."""
        return (self._start_window if self._open else self._n_windows) * WINDOW_S

    def feed(self, samples: Samples) -> list[Segment]:
        """Segments that ended within what has been fed so far."""
        self._n_samples += len(samples)
        return self._advance(self._network.feed(samples).tolist())

    def finish(self) -> list[Segment]:
        """The segments still open at the end of the recording."""
        segments = self._advance(self._network.finish().tolist())
        if self._open:
            segments += self._close(self._silent_since or self._n_windows)
        return segments

    def _advance(self, probs: Sequence[float]) -> list[Segment]:
        segments: list[Segment] = []
        for prob in probs:
            segments += self._step(prob)
            self._n_windows += 1
        return segments

    def _step(self, prob: float) -> list[Segment]:
        config = self._config
        is_near = self._n_windows * WINDOW_S - self._spoken_until_s < NEAR_S
        factor = NEAR_FACTOR if is_near else 1.0
        threshold, neg_threshold = (
            factor * config.threshold,
            factor * min(config.neg_threshold, config.threshold),
        )
        if not self._open:
            if prob >= threshold:
                self._start_window, self._open, self._silent_since = self._n_windows, [prob], None
            return []
        self._open.append(prob)
        if prob >= threshold:
            self._silent_since = None
        elif prob < neg_threshold and self._silent_since is None:
            self._silent_since = self._n_windows
        if self._silent_since is not None:
            silence_s = (self._n_windows + 1 - self._silent_since) * WINDOW_S
            if silence_s >= config.min_silence_ms / 1000:
                return self._close(self._silent_since)
        if len(self._open) * WINDOW_S >= config.max_segment_s:
            return self._cut()
        return []

    def _close(self, end_window: int) -> list[Segment]:
        segment = self._segment(self._start_window, end_window)
        self._open, self._silent_since = [], None
        if segment.duration_s < self._config.min_speech_ms / 1000:
            return []
        self._spoken_until_s = segment.end_s
        return [segment]

    def _cut(self) -> list[Segment]:
        """Cut the open segment at the lowest smoothed probability of its second half."""
        probs = np.asarray(self._open)
        smooth = np.convolve(probs, np.ones(5) / 5, mode="same")
        half = len(probs) // 2
        cut = half + int(np.argmin(smooth[half:-3]))
        if self._silent_since is not None and self._start_window + cut >= self._silent_since:
            return self._close(self._silent_since)  # a pause has begun there: nothing open remains
        segment = self._segment(self._start_window, self._start_window + cut)
        self._open = self._open[cut:]
        self._start_window += cut
        return [segment]

    def _segment(self, start_window: int, end_window: int) -> Segment:
        end_s = min(end_window * WINDOW_S, self._n_samples / SAMPLE_RATE)
        return Segment(self._channel, start_window * WINDOW_S, end_s)


@cache
def _session() -> Any:
    """One ONNX session a process; its runs are stateless, so channels share it. Raises ``ModelError``."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    (name,) = VAD_NETWORK.files
    path = fetch(VAD_NETWORK) / name
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
