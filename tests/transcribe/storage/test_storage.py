from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from botocore import exceptions

from transcribe.errors import ConfigError, StorageError
from transcribe.storage import s3
from transcribe.storage.files import check_writable, list_files, local_copy, open_binary, put_bytes, stat
from transcribe.storage.s3 import S3Options

LOCAL = S3Options()
URI = "s3://bucket/key"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = ["b.wav", "a/x.wav", "a/deep/er/y.mp3", "_tmp/c.wav", ".git/d.wav", "a/.hidden", "a/_SUCCESS"]
    for name in names:
        put_bytes(str(tmp_path / "in" / name), name.encode(), LOCAL)
    return tmp_path / "in"


def listed(uri: str | Path, folder: Path) -> list[str]:
    found = [entry.uri for entry in list_files(str(uri), LOCAL)]
    assert found == sorted(found)
    return [str(Path(name).relative_to(folder)) for name in found]


def test_a_folder_is_listed_recursively_without_hidden_names(folder: Path) -> None:
    assert listed(folder, folder) == ["a/deep/er/y.mp3", "a/x.wav", "b.wav"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", ["b.wav"]),
        ("*.wav", ["b.wav"]),
        ("?/*.wav", ["a/x.wav"]),
        ("**/*.wav", ["a/x.wav", "b.wav"]),
        ("a/**", ["a/deep/er/y.mp3", "a/x.wav"]),
        ("a/**/y.*", ["a/deep/er/y.mp3"]),
        ("[ab].wav", None),
        ("*.flac", []),
    ],
)
def test_globs(folder: Path, pattern: str, expected: list[str] | None) -> None:
    if expected is None:  # brackets are no wildcard
        with pytest.raises(StorageError):
            listed(folder / pattern, folder)
    else:
        assert listed(folder / pattern, folder) == expected


def test_a_file_whose_name_looks_like_a_glob_is_itself(folder: Path) -> None:
    put_bytes(str(folder / "what?.wav"), b"", LOCAL)
    put_bytes(str(folder / "whats.wav"), b"", LOCAL)
    assert listed(folder / "what?.wav", folder) == ["what?.wav"]


def test_a_file_that_is_named_is_listed_even_if_hidden(folder: Path) -> None:
    assert listed(folder / "a/.hidden", folder) == ["a/.hidden"]


def test_local_uris_become_absolute(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "a")
    assert listed("../b.wav", folder) == ["b.wav"]
    assert stat("x.wav", LOCAL).uri == str(folder / "a/x.wav")


def test_an_empty_folder_has_no_files_and_a_missing_one_is_not_found(tmp_path: Path) -> None:
    assert list(list_files(str(tmp_path), LOCAL)) == []
    for uri in (tmp_path / "missing", tmp_path / "missing/*.wav"):
        with pytest.raises(StorageError) as caught:
            list(list_files(str(uri), LOCAL))
        assert caught.value.error == "not_found"


def test_the_version_changes_with_the_bytes(folder: Path) -> None:
    path = folder / "b.wav"
    first = stat(str(path), LOCAL)
    assert first == next(list_files(str(path), LOCAL))
    assert (first.uri, first.size_bytes) == (str(path), 5)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert stat(str(path), LOCAL).version != first.version


def test_reading_and_copying_a_local_file(folder: Path) -> None:
    uri = str(folder / "b.wav")
    with open_binary(uri, LOCAL) as reader:
        assert reader.seek(1) == 1 and reader.read() == b".wav"
    with local_copy(uri, LOCAL, stat(uri, LOCAL).version) as path:
        assert path == folder / "b.wav"
    assert path.exists()


def test_a_local_file_that_changes_while_it_is_read_is_not_what_was_planned(folder: Path) -> None:
    path, version = folder / "b.wav", stat(str(folder / "b.wav"), LOCAL).version
    with pytest.raises(StorageError) as caught, local_copy(str(path), LOCAL, version) as copy:
        copy.write_bytes(b"another recording")
    assert caught.value.error == "changed"
    with pytest.raises(StorageError, match="changed"), local_copy(str(path), LOCAL) as copy:
        copy.write_bytes(b"a longer recording than before")
    with pytest.raises(ValueError), local_copy(str(path), LOCAL, version):
        raise ValueError  # what its reader says is what counts


@pytest.mark.parametrize(
    ("uri", "code"),
    [("missing.wav", "not_found"), ("a", "not_a_file"), ("gs://bucket/a.wav", "unsupported")],
)
def test_every_reader_names_what_is_wrong(
    folder: Path, uri: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for read in (stat, open_binary, lambda *given: local_copy(*given).__enter__()):
        with pytest.raises(StorageError) as caught:
            read(uri, LOCAL)
        assert caught.value.error == code
        assert uri in caught.value.message and caught.value.next_step
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_failed_put_leaves_the_old_file_and_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(StorageError, match="No space left"):
        put_bytes(str(folder / "a/x.wav"), b"new", LOCAL)
    assert (folder / "a/x.wav").read_bytes() == b"a/x.wav"
    assert sorted(path.name for path in (folder / "a").iterdir()) == [".hidden", "_SUCCESS", "deep", "x.wav"]


def test_a_place_is_tried_before_it_is_written_to(tmp_path: Path) -> None:
    check_writable(str(tmp_path / "a/b"), LOCAL)
    assert (tmp_path / "a/b").is_dir() and not list((tmp_path / "a/b").iterdir())
    (tmp_path / "file").write_bytes(b"x")
    for place in (tmp_path / "file", tmp_path / "file/below", Path("/proc/nothing")):
        with pytest.raises(StorageError):
            check_writable(str(place), LOCAL)


def client_error(code: str) -> exceptions.ClientError:
    return exceptions.ClientError({"Error": {"Code": code, "Message": "?"}}, "GetObject")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (client_error("NoSuchBucket"), "not_found"),
        (client_error("403"), "access_denied"),
        (client_error("412"), "changed"),
        (client_error("SlowDown"), "unreachable"),
        (client_error("InvalidRange"), "io_error"),
        (exceptions.NoCredentialsError(), "access_denied"),
        (exceptions.EndpointConnectionError(endpoint_url="http://x"), "unreachable"),
        (exceptions.ReadTimeoutError(endpoint_url="http://x"), "unreachable"),
        (exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2), "io_error"),
    ],
)
def test_no_exception_of_boto_leaves(error: Exception, code: str) -> None:
    with pytest.raises(StorageError) as caught, s3.s3_errors(URI):
        raise error
    assert caught.value.error == code


def test_no_server_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "N_ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    for action in (stat, open_binary, lambda *given: list(list_files(*given))):
        with pytest.raises(StorageError) as caught:
            action(URI, S3Options("http://127.0.0.1:1"))
        assert caught.value.error == "unreachable"


def test_options_refuse_credentials_and_take_the_environments_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigError) as caught:
        S3Options("http://key:secret@host")
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="begin it with http"):
        S3Options("localhost:8333")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere")
    assert S3Options().endpoint == "http://elsewhere"
    assert S3Options("http://here").endpoint == "http://here"
