"""Which chunks share a batch: those of one length, little work shared out to all workers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence


def batches(
    lengths_s: Sequence[float], kinds: Sequence[str], batch_s: float, n_workers: int
) -> Iterator[tuple[float, list[int]]]:
    """(length in seconds, indices) of each batch, longest first; all of one length and kind.

    ``lengths_s``: what is encoded of each chunk, padding included; ``kinds``: what must not be mixed. A batch
    has at most ``batch_s`` seconds (or one chunk), batches of a length are alike in number, and little work
    is cut smaller, so that each of ``n_workers`` gets a share of it. Nothing gives nothing.
    """
    share = math.ceil(len(lengths_s) / n_workers)
    groups: dict[tuple[float, str], list[int]] = defaultdict(list)
    for i, group in enumerate(zip(lengths_s, kinds, strict=True)):
        groups[group].append(i)
    for (length_s, _), indices in sorted(groups.items(), reverse=True):
        n_most = max(1, min(share, int(batch_s / length_s)))
        n_batch = math.ceil(len(indices) / math.ceil(len(indices) / n_most))
        for start in range(0, len(indices), n_batch):
            yield length_s, indices[start : start + n_batch]
