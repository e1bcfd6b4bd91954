"""What decoding on CPU asks of its process."""

from __future__ import annotations

import platform
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import threadpoolctl

from transcribe.engines.cpu import give_back_memory, keep_freed_memory, one_blas_thread, resident_bytes

FAULTS = """
import resource, sys
from transcribe.engines.cpu import keep_freed_memory

def use() -> None:
    for _ in range(5):
        b"x" * (40 << 20)

if sys.argv[1] == "keep":
    assert keep_freed_memory()
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc's malloc")
def test_large_buffers_are_used_again_without_asking_the_kernel():
    assert page_faults("keep") < 20 < page_faults("leave")


def test_another_c_library_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not keep_freed_memory()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc's malloc")
def test_what_was_kept_is_given_back_also_of_a_gpu(monkeypatch):
    calls = []
    empty_cache = SimpleNamespace(empty_cache=lambda: calls.append("GPU"))
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=empty_cache))
    freed = [bytes(1000) for _ in range(100_000)]
    behind = [bytes(1000) for _ in range(100)]  # or glibc would give back what is last in its heap by itself
    before = resident_bytes()
    del freed
    give_back_memory()
    assert calls == ["GPU"] and resident_bytes() < before - 50e6 and behind


def test_blas_has_one_thread_meanwhile_and_then_its_own_again():
    def threads() -> list[int]:
        return [
            library["num_threads"]
            for library in threadpoolctl.ThreadpoolController().select(user_api="blas").info()
        ]

    np.ones((4, 4)) @ np.ones((4, 4))
    before = threads()
    with one_blas_thread():
        assert set(threads()) <= {1}
    assert threads() == before
