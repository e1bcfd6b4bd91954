"""Probing and decoding in child processes: codecs crash, hang and bloat, and then only a recording fails.

Each child is a clean interpreter that reads recording after recording; audio comes back through a pipe, which
bounds what is decoded ahead. A child that dies or is given up is replaced. One that had read other recordings
may have suffered from those: what fails in it is tried again in a new one.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from transcribe.audio import child
from transcribe.audio.container import AudioInfo, Source
from transcribe.audio.decode import Block
from transcribe.config import AudioConfig
from transcribe.errors import DecodeError, DecoderError
from transcribe.types import SAMPLE_RATE

_PROGRAM = "import sys; sys.path[:] = sys.argv[2:]; from transcribe.audio import child; child.main()"
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_PIPE_BYTES = 1 << 20
_PIECE_BYTES = 1 << 18

_Answer = tuple[bytes, memoryview]


def probe(source: Source, config: AudioConfig, name: str | None = None) -> AudioInfo:
    """As ``decode.probe``, and DecodeError ``decoder_crashed``, ``decoder_timeout`` or ``too_large``."""
    ((_, payload),) = _answers("probe", source, config, name)
    return child.INFO_JSON.validate_json(bytes(payload))


def blocks(source: Source, config: AudioConfig, name: str | None = None) -> Iterator[Block]:
    """As ``decode.blocks``, and DecodeError ``decoder_crashed``, ``decoder_timeout`` or ``too_large``."""
    for _, payload in _answers("blocks", source, config, name):
        yield _block(payload)


def _block(payload: memoryview) -> Block:
    (n_channels,) = child.N_CHANNELS.unpack_from(payload)
    return np.frombuffer(payload, np.float32, offset=child.N_CHANNELS.size).reshape(n_channels, -1)


def _answers(call: str, source: Source, config: AudioConfig, name: str | None) -> Iterator[_Answer]:
    """What a child answers, whichever child it is in the end."""
    file = None if isinstance(source, (str, Path)) else source
    request = {
        "call": call,
        "path": str(source) if file is None else file.seek(0, 2),
        "name": name or str(source if file is None else getattr(file, "name", "")),
        "headerless": {key: value.model_dump() for key, value in config.headerless.items()},
        "block_s": config.block_s,
        "memory_bytes": round(config.decoder_memory_gb * 1e9),
    }
    n_handed = 0
    while True:
        one = _idle.pop() if _idle else _Child()
        was_used = one.n_served > 0
        try:
            for n, answer in enumerate(one.ask(request, file, config.decoder_timeout_s)):
                if n >= n_handed:
                    n_handed += 1
                    yield answer
        except DecodeError as error:
            if one.is_fit or not was_used or error.error == "decoder_timeout":
                raise
        else:
            return
        finally:
            if one.is_fit:
                _idle.append(one)
            else:
                one.end()


class _Child:
    """One process. ``is_fit`` says whether it waits for the next request."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  what it says when it dies; lives as long as it
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(os.getpid()), *map(os.path.abspath, sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **_ONE_THREAD},
            bufsize=0,
        )
        assert self._process.stdin and self._process.stdout
        self._requests, self._stream = self._process.stdin, self._process.stdout
        _widen(self._stream.fileno())
        self._poll = select.poll()
        self._poll.register(self._stream, select.POLLIN)
        self._waited_s = self._allowed_s = 0.0
        self.n_served = 0
        self.is_fit = False
        self._is_ready = False

    def ask(self, request: dict[str, Any], file: BinaryIO | None, timeout_s: float) -> Iterator[_Answer]:
        """INFO or BLOCK answers to the end. ``file`` is what the child may read where it has no path."""
        self.is_fit, self._waited_s, self._allowed_s = False, 0.0, timeout_s
        if not self._is_ready:
            self._receive(timeout_s)
            self._is_ready = True
        self.n_served += 1
        self._send(json.dumps(request).encode() + b"\n")
        while True:
            kind, payload = self._receive(timeout_s)
            if kind == child.READ and file is not None:
                self._send(_range(file, *child.RANGE.unpack(payload)))
            elif kind == child.END:
                self.is_fit = True
                return
            elif kind == child.ERROR:
                error = _error(payload)
                self.is_fit = not isinstance(error, DecoderError)  # who ran out of memory has lost some of it
                raise error
            else:
                if kind == child.BLOCK:
                    block = _block(payload)
                    self._allowed_s += block.shape[1] / SAMPLE_RATE
                yield kind, payload

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._requests, self._stream, self._errors):
            stream.close()

    def _send(self, content: bytes) -> None:
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(self._requests.fileno(), rest) :]
        except BrokenPipeError:
            raise self._death() from None

    def _receive(self, timeout_s: float) -> _Answer:
        left_s = min(timeout_s, self._allowed_s - self._waited_s)
        kind, n_bytes = child.HEADER.unpack(self._read(child.HEADER.size, left_s))
        return kind, self._read(n_bytes, left_s)

    def _read(self, n_bytes: int, left_s: float) -> memoryview:
        content = np.empty(n_bytes, np.uint8).data
        rest = content
        while rest:
            started_s = time.monotonic()
            ready = self._poll.poll(max(left_s, 0.0) * 1000)
            waited_s = time.monotonic() - started_s
            self._waited_s += waited_s
            left_s -= waited_s
            if not ready:
                raise _timeout(self._waited_s)
            n_read = os.readv(self._stream.fileno(), [rest[:_PIECE_BYTES]])
            if not n_read:
                raise self._death()
            rest = rest[n_read:]
        return content

    def _death(self) -> DecodeError:
        """Why the process ended by itself."""
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        message = ": ".join([f"the decoder died ({how})", *said[-1:]])
        if code == -signal.SIGKILL or not self._is_ready:  # the machine's doing, not the file's
            return DecoderError("decoder_crashed", message, "look at the machine's memory; it is run again")
        return DecodeError(
            "decoder_crashed",
            message,
            "the file is damaged or of a rare kind: convert it, to FLAC for example",
        )


def _error(payload: memoryview) -> Exception:
    kind, *arguments = json.loads(bytes(payload))
    error: Exception = child.ERRORS[kind](*arguments)
    return error


def _timeout(waited_s: float) -> DecoderError:
    return DecoderError(
        "decoder_timeout",
        f"the decoder was given up after {waited_s:.0f} s of waiting for it",
        "check the file and its storage; raise audio.decoder_timeout_s if they are only slow",
    )


def _range(file: BinaryIO, offset: int, n_bytes: int) -> bytes:
    file.seek(offset)
    content = file.read(n_bytes)
    return child.LENGTH.pack(len(content)) + content


def _widen(pipe: int) -> None:
    """So that a child decodes ahead while its audio is worked on."""
    with contextlib.suppress(
        ImportError, AttributeError, OSError
    ):  # Linux only, and not beyond a user's limit
        from fcntl import F_SETPIPE_SZ, fcntl

        fcntl(pipe, F_SETPIPE_SZ, _PIPE_BYTES)


_idle: list[_Child] = []
_of_parent: list[_Child] = []


def _leave_to_parent() -> None:
    """After a fork: what was forked has children of its own."""
    _of_parent.extend(_idle)
    _idle.clear()


os.register_at_fork(after_in_child=_leave_to_parent)


@atexit.register
def _end_idle() -> None:
    while _idle:
        _idle.pop().end()
