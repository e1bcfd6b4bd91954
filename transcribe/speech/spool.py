"""A segmented recording's chunks, whose samples wait on disk if they are many."""

from __future__ import annotations

from pathlib import Path
from tempfile import SpooledTemporaryFile

import numpy as np

from transcribe.clock import Pcm
from transcribe.config import Config
from transcribe.speech.segmenting import segment_recording
from transcribe.types import Chunk, Recording, Segmentation

MAX_IN_MEMORY_BYTES = 4 * 1024 * 1024
"""Of one recording: two minutes of speech."""


class Spool:
    """All chunks of the recording at ``path``. Raises what ``segment_recording`` raises."""

    def __init__(self, recording: Recording, path: Path, config: Config) -> None:
        self.chunks: list[Chunk] = []
        self._file = SpooledTemporaryFile(MAX_IN_MEMORY_BYTES)  # noqa: SIM115  closed by close()
        self._places: dict[tuple[int, int], tuple[int, int]] = {}  # of a chunk: first byte and their number
        try:
            for item in segment_recording(recording, path, config):
                if isinstance(item, Segmentation):
                    self.segmentation = item
                else:
                    self._append(*item)
        except BaseException:
            self.close()
            raise

    @property
    def duration_s(self) -> float:
        return self.segmentation.duration_s

    @property
    def chunk_s(self) -> float:
        """Audio of all chunks."""
        return sum(chunk.duration_s for chunk in self.chunks)

    def pcm(self, chunk: Chunk) -> Pcm:
        """The samples of one of ``chunks``."""
        start, n_bytes = self._places[chunk.channel, chunk.index]
        self._file.seek(start)
        return np.frombuffer(self._file.read(n_bytes), np.int16)

    def close(self) -> None:
        """Give the samples up; the chunks stay."""
        self._file.close()

    def __del__(self) -> None:
        self.close()  # of a recording that was never finished, too

    def _append(self, chunk: Chunk, pcm: Pcm) -> None:
        self.chunks.append(chunk)
        self._places[chunk.channel, chunk.index] = self._file.tell(), pcm.nbytes
        self._file.write(pcm.tobytes())
