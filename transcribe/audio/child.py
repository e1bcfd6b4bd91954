"""The process that decodes: it answers one request after another. ``process.py`` starts it and explains why.

Requests are lines of JSON on standard input (``path``: a local file's, or the size of one that only the
parent can read); answers are a kind, a length and that many bytes on standard output. The process ends with
its input, or when its parent is gone.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from pydantic import TypeAdapter

from transcribe.audio.container import AudioInfo, Source
from transcribe.audio.decode import blocks, probe
from transcribe.config import HeaderlessConfig
from transcribe.errors import ConfigError, DecodeError, DecoderError, RecordingError, StorageError

HEADER = struct.Struct("<cI")
"""Kind and length of an answer."""
READY, INFO, BLOCK, END, ERROR, READ = b"S", b"I", b"B", b"E", b"X", b"R"
"""Kinds. INFO: JSON of an AudioInfo. BLOCK: ``N_CHANNELS``, then float32, channel by channel. ERROR: JSON of
the name of a class of ``ERRORS`` and its arguments. READ: ``RANGE``; answered with ``LENGTH`` and bytes.
"""
N_CHANNELS = LENGTH = struct.Struct("<I")
RANGE = struct.Struct("<QI")
INFO_JSON = TypeAdapter(AudioInfo)
ERRORS = {
    kind.__name__: kind for kind in (ConfigError, DecodeError, DecoderError, StorageError, RuntimeError)
}

READ_BYTES = 64 * 1024
WATCH_S = 0.5


def main() -> None:
    """Serve until the input ends. The parent's process id is the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, too, and that ends this
    threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no answer
    server = _Server(sys.stdin.buffer, cast(BinaryIO, answers))
    server.send(READY)
    for line in sys.stdin.buffer:
        server.serve(json.loads(line))


def _end_with(parent_pid: int) -> None:
    """Also when the parent was killed while other processes keep its end of the pipe open."""
    while os.getppid() == parent_pid:
        time.sleep(WATCH_S)
    os._exit(1)


class _Server:
    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        self._requests, self._answers = requests, answers

    def send(self, kind: bytes, *parts: bytes | memoryview) -> None:
        self._write(HEADER.pack(kind, sum(map(len, parts))))
        for part in parts:
            self._write(part)

    def _write(self, content: bytes | memoryview) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[self._answers.write(rest) :]

    def serve(self, request: dict[str, Any]) -> None:
        """Answer with what is asked for and END, or with an ERROR, at last."""
        try:
            _limit_memory(request["memory_bytes"])
            for kind, parts in self._carry_out(request):
                self.send(kind, *parts)
        except (RecordingError, ConfigError) as error:
            self._send_error(error)
        except MemoryError:
            self._send_error(_too_large(request["memory_bytes"]))
        except Exception as error:
            self._send_error(RuntimeError(f"{type(error).__name__}: {error}"))
        else:
            self.send(END)

    def _carry_out(self, request: dict[str, Any]) -> Iterator[tuple[bytes, tuple[bytes | memoryview, ...]]]:
        source, name = self._source(request["path"]), request["name"]
        headerless = {key: HeaderlessConfig(**value) for key, value in request["headerless"].items()}
        if request["call"] == "probe":
            yield INFO, (INFO_JSON.dump_json(probe(source, headerless=headerless, name=name)),)
            return
        for block in blocks(source, headerless=headerless, name=name, block_s=request["block_s"]):
            yield BLOCK, (N_CHANNELS.pack(len(block)), np.ascontiguousarray(block).data.cast("B"))

    def _source(self, path: str | int) -> Source:
        if isinstance(path, int):
            return cast(BinaryIO, io.BufferedReader(_ParentsFile(self, path), READ_BYTES))
        if Path(path).exists() and not Path(path).is_file():  # a pipe would wait for its writer
            raise StorageError("not_readable", f"{path} is no regular file", "name a file")
        return Path(path)

    def _send_error(self, error: Exception) -> None:
        arguments = cast(tuple[Any, ...], error.__reduce__())[1]
        self.send(ERROR, json.dumps([type(error).__name__, *arguments], default=str).encode())

    def read_range(self, offset: int, n_bytes: int) -> bytes:
        """Bytes of the parent's file; fewer only at its end."""
        self.send(READ, RANGE.pack(offset, n_bytes))
        return self._requests.read(*LENGTH.unpack(self._requests.read(LENGTH.size)))


class _ParentsFile(io.RawIOBase):
    """A file that only the parent can read: an object of a store, opened with credentials."""

    def __init__(self, server: _Server, n_bytes: int) -> None:
        self._server, self._n_bytes, self._position = server, n_bytes, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, self._n_bytes)[whence]
        return self._position

    def readinto(self, buffer: Any) -> int:
        content = self._server.read_range(self._position, len(buffer))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


def _too_large(limit_bytes: int) -> DecoderError:
    return DecoderError(
        "too_large",
        f"decoding needs more than {limit_bytes / 1e9:.3g} GB of memory",
        "check what the file is; raise audio.decoder_memory_gb if it is a recording",
    )


def _limit_memory(n_bytes: int) -> None:
    """Of what is allocated. Linux keeps to it; elsewhere it has no effect."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    soft = n_bytes if hard == resource.RLIM_INFINITY else min(n_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


if __name__ == "__main__":
    main()
