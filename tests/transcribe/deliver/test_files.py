"""A file a recording: names that say whose it is, that stay inside the folder, and no two alike."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_fixtures import recording
from hypothesis import given
from hypothesis import strategies as st

from transcribe.deliver.files import file_names
from transcribe.types import Recording


def named(id_: str, uri: str | None = None) -> Recording:
    return replace(recording(recording_id=id_), uri=uri or id_)


@pytest.mark.parametrize(
    ("ids", "names"),
    [
        ([], []),
        (["/in/call.wav"], ["call.srt"]),
        (["/in/a/call.wav", "/in/b/call.wav", "/in/c.wav"], ["a/call.srt", "b/call.srt", "c.srt"]),
        (["/in/call.wav", "/in/call.mp3", "/in/call.mp3"], ["call.srt", "call.mp3.srt", "call.mp3-2.srt"]),
        (["s3://bucket/day/1.ogg", "s3://bucket/day/2.ogg"], ["1.srt", "2.srt"]),
    ],
)
def test_paths_give_what_they_do_not_have_in_common(ids: list[str], names: list[str]) -> None:
    assert file_names([named(id_) for id_ in ids], "srt") == names


def test_an_id_is_no_path_and_keeps_its_dots() -> None:
    recordings = [named("call.7", "/in/a.wav"), named("../../etc/passwd", "/in/b.wav")]
    assert file_names(recordings, "text") == ["call.7.txt", "etc/passwd.txt"]


PARTS = st.text(st.sampled_from("ab./-2:"), min_size=1, max_size=8)


@given(st.lists(st.builds(named, PARTS, st.sampled_from(["/in/a.wav", None])), max_size=8))
def test_no_two_are_alike_and_none_lies_outside(recordings: list[Recording]) -> None:
    names = file_names(recordings, "json")
    assert len(set(names)) == len(recordings)
    assert not [name for name in names if name.startswith("/") or ".." in name.split("/")]
