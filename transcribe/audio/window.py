"""A stretch of a file, read as a file of its own: a joined file's part, or the same bytes for two readers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

SCAN_BYTES = 1 << 20


class Window:
    """Bytes ``start`` to ``end`` of ``file``, with a position of its own.

    It has no ``name``, by which libav would guess a format before it looks inside.
    """

    def __init__(self, file: BinaryIO, start: int = 0, end: int | None = None) -> None:
        self._file, self._start, self._position = file, start, 0
        self.n_bytes = (file.seek(0, io.SEEK_END) if end is None else end) - start

    def read(self, n_bytes: int = -1) -> bytes:
        left = max(self.n_bytes - self._position, 0)
        if not left:  # a position beyond all that the system can seek to is an end, too
            return b""
        self._file.seek(self._start + self._position)
        content = self._file.read(left if n_bytes < 0 else min(n_bytes, left))
        self._position += len(content)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.n_bytes}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def tell(self) -> int:
        return self._position

    def at(self, position: int, n_bytes: int) -> bytes:
        """``n_bytes`` from ``position`` on, fewer at the end; moves the position behind them."""
        self.seek(position)
        return self.read(n_bytes)

    def part(self, start: int, end: int) -> Window:
        """The window of this window's bytes ``start`` to ``end``."""
        return Window(self._file, self._start + start, self._start + end)

    def find(self, pattern: bytes, position: int = 0) -> int | None:
        """Where ``pattern`` next stands, from ``position`` on."""
        while block := self.at(position, SCAN_BYTES):
            if (found := block.find(pattern)) >= 0:
                return position + found
            if len(block) < SCAN_BYTES:
                return None
            position += len(block) - len(pattern) + 1
        return None

    def all(self, pattern: bytes) -> Iterator[int]:
        """Everywhere that ``pattern`` stands."""
        position = self.find(pattern)
        while position is not None:
            yield position
            position = self.find(pattern, position + len(pattern))
