"""What decoding on CPU asks of its process: freed memory stays in it until it is given back, and BLAS has one
thread."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import threadpoolctl

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8  # of glibc's malloc.h
LARGEST_INT = 2**31 - 1
GROW_BYTES = 64 << 20


def keep_freed_memory() -> bool:
    """From now on this process keeps the memory it frees, for its own next use. Is that possible here?

    glibc maps every large buffer anew and gives it back when freed. An encoder frees hundreds of MB a chunk,
    and getting them back, page by page, took 31 % of its time. In exchange the process stays as large as
    it ever was (100 to 190 MB more with the base model). One arena, since only the first can keep
    everything. With another C library nothing is done.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    settings = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: LARGEST_INT, M_TOP_PAD: GROW_BYTES, M_ARENA_MAX: 1}
    return {mallopt(name, value) for name, value in settings.items()} == {1}


def give_back_memory() -> None:
    """What was freed and kept for this process's own use goes back: PyTorch's on a GPU, and glibc's."""
    gc.collect()
    if torch := sys.modules.get("torch"):
        torch.cuda.empty_cache()  # without a GPU it does nothing
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return


def resident_bytes() -> int:
    """Of this process in memory. Told on Linux only: 0 elsewhere."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def one_blas_thread() -> AbstractContextManager[object]:
    """While in it, numpy's matrix products (of features) use the thread they are called from.

    OpenBLAS's others spin between products, on the cores that the model is decoding on.
    """
    limited: AbstractContextManager[object] = threadpoolctl.threadpool_limits(limits=1, user_api="blas")
    return limited


def has_amx_bfloat16() -> bool:
    """Has this processor units for products of bfloat16 matrices? AVX-512's instructions do not count: by
    those alone Whisper is slower than in 8 bits, and Moonshine than in float32. Told on Linux only."""
    return "amx_bf16" in _flags()


def has_bfloat16() -> bool:
    """Return True if this processor has instructions for products of bfloat16. Known on Linux only."""
    return not _flags().isdisjoint({"amx_bf16", "avx512_bf16"})


def has_vnni() -> bool:
    """Has this processor instructions for products of 8-bit integers? Told on Linux only."""
    return not _flags().isdisjoint({"avx512_vnni", "avx_vnni"})


def _flags() -> set[str]:
    try:
        return set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return set()
