"""What PyAV hands out, made safe: the number of channels, and frames as floats.

PyAV copies a layout of channels without owning its memory and frees it with the copy: twice, where the order
is not FFmpeg's own (a stereo CAF stored R, L; 5.1 in film order). And it finds the end of a frame's planes by
chance where there are eight and more. So counts are asked for here only, and planes are read one by one.
"""

from __future__ import annotations

import av
import numpy as np
import numpy.typing as npt
from av.audio.plane import AudioPlane

_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "flt": "f4", "dbl": "f8"}


def n_channels(codec: av.AudioCodecContext) -> int:
    """How many channels ``codec`` gives, in the order of the file. To be asked before it decodes."""
    layout = codec.layout
    if "(" in layout.name:  # an order of its own, such as "2 channels (FR+FL)"
        codec.layout = f"{layout.nb_channels}C"  # the codec forgets it: now its memory is the copy's alone
    return layout.nb_channels


def samples(frame: av.AudioFrame) -> npt.NDArray[np.float32]:
    """Shape (n_channels, n_samples), full scale ±1. Floats beyond it, or that are no numbers, stay."""
    n, name = frame.layout.nb_channels, frame.format.name
    dtype = np.dtype(_DTYPES[name.removesuffix("p")])
    if frame.format.is_planar:
        planes = [memoryview(AudioPlane(frame, k)) for k in range(n)]
        raw = np.array([np.frombuffer(plane, dtype, frame.samples) for plane in planes])
    else:
        plane = memoryview(AudioPlane(frame, 0))
        raw = np.frombuffer(plane, dtype, frame.samples * n).reshape(-1, n).T
    if dtype == np.float32:
        return raw
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return raw.astype(np.float32)
    full_scale = np.float32(2.0 ** (8 * dtype.itemsize - 1))
    offset = full_scale if dtype.kind == "u" else np.float32(0)
    floats: npt.NDArray[np.float32] = (raw.astype(np.float32) - offset) / full_scale
    return floats
