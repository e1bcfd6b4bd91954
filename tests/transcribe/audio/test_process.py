"""Decoding in child processes: what comes back, and what becomes of children that die, hang or bloat."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from audio_fixtures import encode, pcm16, sine, wav

from transcribe.audio import decode, process
from transcribe.config import AudioConfig, HeaderlessConfig, load
from transcribe.errors import ConfigError, DecodeError, DecoderError, StorageError

CONFIG = AudioConfig()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """100 s in stereo: several blocks, more than a pipe holds."""
    path = tmp_path / "long.wav"
    path.write_bytes(wav(pcm16(sine(100.0, 8000, n_channels=2)), n_channels=2))
    return path


def whole(path: Path) -> np.ndarray:
    return np.concatenate(list(process.blocks(path, CONFIG)), axis=1)


def child() -> process._Child:
    """The one that serves next."""
    return process._idle[-1]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_audio_and_header_are_those_of_decoding_here(path: Path) -> None:
    here = np.concatenate(list(decode.blocks(path, headerless={})), axis=1)
    np.testing.assert_array_equal(whole(path), here)
    assert process.probe(path, CONFIG) == decode.probe(path, headerless={})
    assert [block.shape for block in process.blocks(path, CONFIG)] == [(2, 480_000)] * 3 + [(2, 160_000)]
    empty = path.with_name("empty.wav")
    empty.write_bytes(wav(b""))
    assert list(process.blocks(empty, CONFIG)) == []


def test_a_child_serves_recording_after_recording_and_an_abandoned_one_is_replaced(path: Path) -> None:
    process.probe(path, CONFIG)
    pid = child()._process.pid
    whole(path)
    with pytest.raises(DecodeError, match="empty_file"):
        process.probe(io.BytesIO(), CONFIG, "x")
    assert child()._process.pid == pid and child().n_served >= 3
    stream = process.blocks(path, CONFIG)
    next(stream)
    stream.close()
    assert not is_alive(pid)
    assert whole(path).shape == (2, 1_600_000)


def test_a_file_object_is_read_through_the_parent_and_only_in_part() -> None:
    class Counting(io.BytesIO):
        n_read = 0

        def read(self, size: int | None = -1) -> bytes:
            content = super().read(size)
            self.n_read += len(content)
            return content

    file = Counting(wav(pcm16(sine(600.0, 8000))))
    assert process.probe(file, CONFIG, "s3://a/b.wav").duration_s == 600.0
    assert file.n_read < 1_000_000
    content = encode("mp4", "aac", sine(3.0, 44_100), 44_100)  # its index is at the end
    (here,) = decode.blocks(io.BytesIO(content), headerless={})
    (there,) = process.blocks(io.BytesIO(content), CONFIG)
    np.testing.assert_array_equal(here, there)
    raw = AudioConfig(headerless={".raw": HeaderlessConfig(format="s16le", sample_rate=16_000)})
    assert process.probe(io.BytesIO(bytes(32_000)), raw, "a.RAW").duration_s == 1.0


def test_errors_keep_their_kind(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="not_found"):
        process.probe(tmp_path / "none.wav", CONFIG)
    bad = AudioConfig(headerless={".z": HeaderlessConfig(format="nix", sample_rate=1)})
    with pytest.raises(ConfigError, match=r"audio\.headerless = 'nix'"):
        process.probe(io.BytesIO(b"x"), bad, "a.z")

    class Unreadable(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise StorageError("access_denied", "no", "ask")

    with pytest.raises(StorageError, match="access_denied"):
        process.probe(Unreadable(bytes(100)), CONFIG, "x")
    assert process.probe(io.BytesIO(wav(bytes(8000))), CONFIG, "x").n_channels == 1


@pytest.mark.parametrize("kind", [os.mkfifo, lambda path: path.mkdir()])
def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path, kind) -> None:
    kind(tmp_path / "x.wav")
    with pytest.raises(StorageError, match="not_readable"):
        process.probe(tmp_path / "x.wav", CONFIG)


@pytest.mark.parametrize(("how", "retryable"), [(signal.SIGSEGV, False), (signal.SIGKILL, True)])
def test_who_dies_on_a_recording_is_tried_once_more_if_it_had_read_others(
    path: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals, retryable: bool
) -> None:
    process._end_idle()
    process.probe(path, CONFIG)
    expected = whole(path)
    stream = process.blocks(path, CONFIG)
    used = child()
    parts = [next(stream)]
    used._process.send_signal(how)
    parts += list(stream)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), expected)

    process._end_idle()
    stream = process.blocks(path, CONFIG)
    born, others = [], children()
    monkeypatch.setattr(process, "_widen", lambda pipe: born.append(pipe))
    next(stream)
    (pid,) = children() - others
    os.kill(pid, how)
    with pytest.raises(DecodeError, match=rf"decoder_crashed: the decoder died \({how.name}\)") as caught:
        list(stream)
    assert caught.value.retryable is retryable and caught.value.stage == "decode"
    assert len(born) == 1, "a new child's own failure is the recording's"
    assert whole(path).shape == (2, 1_600_000)


def children() -> set[int]:
    return set(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()))


def test_who_hangs_is_given_up(path: Path) -> None:
    process.probe(path, CONFIG)
    pid = child()._process.pid
    stream = process.blocks(path, CONFIG.model_copy(update={"decoder_timeout_s": 2.0}))
    next(stream)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(DecoderError, match="decoder_timeout") as caught:
        list(stream)
    assert caught.value.retryable and not is_alive(pid)


def test_time_in_which_nobody_waits_does_not_count(path: Path) -> None:
    impatient = CONFIG.model_copy(update={"decoder_timeout_s": 3.0, "block_s": 1.0})
    whole(path)
    n_blocks = 0
    for _ in process.blocks(path, impatient):
        n_blocks += 1
        time.sleep(0.05)
    assert n_blocks == 100


def sabotage(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """New children do ``what`` instead of decoding."""
    process._end_idle()
    start, main = process._PROGRAM.rsplit("; ", 1)
    fault = f"def fault(*_, **__): {what}; yield"
    monkeypatch.setattr(process, "_PROGRAM", f"{start}\n{fault}\nchild.blocks = fault; {main}")


def test_who_bloats_is_stopped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage(monkeypatch, "bytes(2 << 30)")
    with pytest.raises(DecoderError, match=r"too_large: .* 1 GB") as caught:
        list(process.blocks(path, CONFIG))
    assert caught.value.retryable and not process._idle, "who ran out of memory serves no more"


def test_a_library_that_runs_out_of_memory_says_nothing_about_the_file(path: Path, monkeypatch) -> None:
    def fail(*_, **__):
        raise av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(av, "open", fail)
    with pytest.raises(MemoryError):
        decode.probe(path, headerless={})


def test_what_nobody_foresaw_is_told_with_its_kind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage(monkeypatch, "print('no answer'); {}['key']")
    with pytest.raises(RuntimeError, match="KeyError: 'key'"):
        list(process.blocks(path, CONFIG))
    assert child().n_served == 1
    sabotage(monkeypatch, "child.os.abort()")
    with pytest.raises(DecodeError, match=r"decoder_crashed: the decoder died \(SIGABRT\)"):
        list(process.blocks(path, CONFIG))


def test_children_end_with_their_parent_however_it_ends(path: Path) -> None:
    program = (
        "import os, sys, time; from pathlib import Path; from transcribe.audio import process;"
        "from transcribe.config import AudioConfig; process.probe(Path(sys.argv[1]), AudioConfig());"
        "stream = process.blocks(Path(sys.argv[1]), AudioConfig()); next(stream);"
        "process.probe(Path(sys.argv[1]), AudioConfig());"
        "print(Path(f'/proc/self/task/{os.getpid()}/children').read_text(), flush=True);"
        "time.sleep(float(sys.argv[2]))"
    )
    for seconds in ("0", "600"):
        parent = subprocess.Popen([sys.executable, "-c", program, path, seconds], stdout=subprocess.PIPE)
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        if seconds != "0":
            assert all(map(is_alive, pids))
            parent.kill()
        parent.communicate()
        for _ in range(100):
            if not any(map(is_alive, pids)):
                break
            time.sleep(0.1)
        assert not any(map(is_alive, pids))


def test_a_decoder_that_cannot_start_is_not_the_recordings_fault(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process._end_idle()
    monkeypatch.setattr(process, "_PROGRAM", "raise SystemExit('no library')")
    with pytest.raises(DecoderError, match=r"decoder_crashed: .*exit code 1.*no library") as caught:
        process.probe(path, CONFIG)
    assert caught.value.retryable


def test_a_forked_process_has_children_of_its_own(path: Path) -> None:
    process.probe(path, CONFIG)
    pid = os.fork()
    if not pid:
        os._exit(len(process._idle))
    assert os.waitpid(pid, 0)[1] == 0 and process._idle


def test_limits_are_checked() -> None:
    with pytest.raises(ConfigError, match="decoder_memory_gb"):
        load([], ["audio.decoder_memory_gb=0.01"])
