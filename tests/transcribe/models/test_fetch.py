"""Fetching bytes that can be trusted: from any source, once, whatever happens to the cache."""

from __future__ import annotations

import errno
import hashlib
import http.server
import multiprocessing
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import ClassVar

import pytest
import yaml

from transcribe.errors import ModelError
from transcribe.models import sources
from transcribe.models.cache import fetch, is_cached, size_bytes
from transcribe.models.networks import VAD_NETWORK
from transcribe.models.registry import DEFAULT_PATH, ModelEntry, Registry
from transcribe.models.sources import FolderSource, PackageSource, WheelSource
from transcribe.speech import vad

CONTENT = {"model.bin": b"first half" + b"second half", "config.json": b"{}"}
MEMBERS = {"model.bin": ["w/part1", "w/part2"], "config.json": ["w/config.json"]}


def an_entry(*where: object, files: dict[str, bytes] = CONTENT, **changed: object) -> ModelEntry:
    values = {
        "name": "small-test",
        "engine": "ctranslate2",
        "revision": "1",
        "multilingual": True,
        "languages": None,
        "licence": "MIT",
        "stage": "production",
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "sources": list(where),
    }
    return ModelEntry.model_validate(values | changed)


def a_folder(path: Path, files: dict[str, bytes] = CONTENT) -> FolderSource:
    path.mkdir(parents=True)
    for name, data in files.items():
        (path / name).write_bytes(data)
    return FolderSource(folder=path)


@pytest.fixture
def wheel_source(tmp_path, monkeypatch) -> WheelSource:
    """Two wheels that hold the model between them, found by the real pip in a local folder."""
    parts = {"one": {"w/part1": b"first half"}, "two": {"w/part2": b"second half", "w/config.json": b"{}"}}
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name, members in parts.items():
        info = f"weights_{name}-1.0.dist-info"
        with zipfile.ZipFile(shelf / f"weights_{name}-1.0-py3-none-any.whl", "w") as wheel:
            for member, data in members.items():
                wheel.writestr(member, data)
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: weights-{name}\nVersion: 1.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    return WheelSource(wheels=["weights-one==1.0", "weights-two==1.0"], members=MEMBERS)


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in CONTENT}


def test_wheels_are_joined_verified_and_kept(tmp_path, wheel_source, monkeypatch):
    entry = an_entry(wheel_source)
    folder = fetch(entry, tmp_path / "cache")
    assert contents(folder) == CONTENT
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    assert fetch(entry, tmp_path / "cache") == folder
    leftovers = {path.name for path in (tmp_path / "cache").iterdir()} - {folder.name, f"{folder.name}.lock"}
    assert not leftovers


def test_the_next_source_is_used_when_one_has_other_bytes(tmp_path):
    wrong = a_folder(tmp_path / "wrong", CONTENT | {"model.bin": b"other weights"})
    right = a_folder(tmp_path / "right")
    assert contents(fetch(an_entry(wrong, right), tmp_path / "cache")) == CONTENT


def test_when_all_sources_fail_each_reason_and_the_remedy_are_told(tmp_path, wheel_source, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    wrong = a_folder(tmp_path / "wrong", CONTENT | {"model.bin": b"other weights"})
    missing = FolderSource(folder=tmp_path / "missing")
    with pytest.raises(ModelError) as caught:
        fetch(an_entry(wrong, missing, wheel_source), tmp_path / "cache")
    message = str(caught.value)
    assert f"folder {tmp_path}/wrong: model.bin has sha256" in message
    assert "missing: FileNotFoundError" in message
    assert "wheels weights-one==1.0, weights-two==1.0: pip download: ERROR" in message
    assert "add '- folder: THAT_FOLDER'" in message
    (left,) = (path for path in (tmp_path / "cache").iterdir() if path.is_dir())
    assert left.suffix == ".partial"


def test_a_fetch_that_broke_off_goes_on_with_what_is_missing(tmp_path):
    """Also after a file came damaged: what was right is not fetched again."""

    class Ledger(FolderSource):
        def download(self, files: list[str], folder: Path) -> None:
            asked.append(sorted(files))
            super().download(files, folder)

    asked: list[list[str]] = []
    a_folder(tmp_path / "cut", CONTENT | {"model.bin": b"first ha"})
    a_folder(tmp_path / "whole")
    cut, whole = Ledger(folder=tmp_path / "cut"), Ledger(folder=tmp_path / "whole")
    with pytest.raises(ModelError, match=r"model\.bin has sha256"):
        fetch(an_entry(cut), tmp_path / "cache")
    folder = fetch(an_entry(whole), tmp_path / "cache")
    assert contents(folder) == CONTENT
    assert asked == [["config.json", "model.bin"], ["model.bin"]]


def test_models_with_the_same_files_share_them(tmp_path):
    one = fetch(an_entry(a_folder(tmp_path / "weights")), tmp_path / "cache")
    assert fetch(an_entry(name="other"), tmp_path / "cache") == one and is_cached(
        an_entry(name="third"), tmp_path / "cache"
    )


def test_a_full_disk_is_told_at_once(tmp_path):
    class Full(FolderSource):
        def download(self, files: list[str], folder: Path) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    a_folder(tmp_path / "weights")
    sources = [Full(folder=tmp_path / "weights"), FolderSource(folder=tmp_path / "weights")]
    with pytest.raises(ModelError, match=r"GB free: .*No space left on device; make room"):
        fetch(an_entry(*sources), tmp_path / "cache")


def test_how_far_a_download_is_is_said(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("transcribe.models.cache.PROGRESS_S", 0.05)
    a_folder(tmp_path / "weights")
    with caplog.at_level("INFO"):
        fetch(an_entry(SlowFolder(folder=tmp_path / "weights")), tmp_path / "cache")
    assert "small-test: 0 MB so far" in caplog.text


def test_a_wheel_without_the_member_is_a_reason(tmp_path, wheel_source):
    gone = WheelSource(wheels=wheel_source.wheels, members=MEMBERS | {"config.json": ["w/none.json"]})
    with pytest.raises(ModelError, match=r"no member w/none\.json"):
        fetch(an_entry(gone), tmp_path / "cache")


def test_an_installed_package_is_a_source_that_is_not_imported(tmp_path, monkeypatch):
    a_folder(tmp_path / "packages" / "holder" / "assets")
    (tmp_path / "packages" / "holder" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    entry = an_entry(PackageSource(package="holder", subfolder="assets"))
    assert contents(fetch(entry, tmp_path / "cache")) == CONTENT
    gone = an_entry(PackageSource(package="no_such_package", subfolder="assets"))
    with pytest.raises(ModelError, match="no_such_package is not installed"):
        fetch(gone, tmp_path / "other")


def test_another_network_than_the_one_expected_is_refused(tmp_path, monkeypatch):
    """As when faster-whisper ships another one under the same name."""
    monkeypatch.setenv("TRANSCRIBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    other = VAD_NETWORK.model_copy(update={"files": dict.fromkeys(VAD_NETWORK.files, "0" * 64)})
    monkeypatch.setattr(vad, "VAD_NETWORK", other)
    vad._session.cache_clear()
    with pytest.raises(ModelError, match="the registry says 0000"):
        vad.SpeechProbabilities()


def test_what_is_cached_is_known_without_fetching(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSCRIBE_CACHE", str(tmp_path / "cache"))
    entry = an_entry(a_folder(tmp_path / "right"))
    assert not is_cached(entry) and not (tmp_path / "cache").exists()
    fetch(entry)
    assert is_cached(entry) and size_bytes(entry) == sum(map(len, CONTENT.values()))


@pytest.mark.faults
def test_a_corrupt_cache_is_fetched_anew(tmp_path):
    entry = an_entry(a_folder(tmp_path / "right"))
    folder = fetch(entry, tmp_path / "cache")
    (folder / "model.bin").write_bytes(b"first half")
    assert contents(fetch(entry, tmp_path / "cache")) == CONTENT
    (folder / "config.json").unlink()
    assert contents(fetch(entry, tmp_path / "cache")) == CONTENT


@pytest.mark.faults
def test_the_rest_of_a_killed_fetch_is_swept_up(tmp_path):
    entry = an_entry(a_folder(tmp_path / "right"))
    folder = fetch(entry, tmp_path / "cache")
    abandoned = tmp_path / "cache" / f"{folder.name}.abc"
    abandoned.mkdir()
    (folder / "model.bin").unlink()
    fetch(entry, tmp_path / "cache")
    assert not abandoned.exists()


def test_files_are_hashed_again_only_when_touched(tmp_path, monkeypatch):
    entry = an_entry(a_folder(tmp_path / "right"))
    folder = fetch(entry, tmp_path / "cache")
    hashed: list[str] = []
    monkeypatch.setattr(
        "transcribe.models.cache._mismatch", lambda folder, files: hashed.append("again") or ""
    )
    fetch(entry, tmp_path / "cache")
    assert not hashed
    os.utime(folder / "model.bin", (1, 1))
    fetch(entry, tmp_path / "cache")
    assert hashed == ["again"]


def test_other_bytes_under_the_same_name_get_another_folder(tmp_path):
    one = fetch(an_entry(a_folder(tmp_path / "one")), tmp_path / "cache")
    other = {"model.bin": b"retrained", "config.json": b"{}"}
    two = fetch(an_entry(a_folder(tmp_path / "two", other), files=other), tmp_path / "cache")
    assert one != two and contents(one) == CONTENT


class SlowFolder(FolderSource):
    """Takes its time, and leaves a line for each download."""

    def download(self, files: list[str], folder: Path) -> None:
        with (self.folder / "downloads").open("a") as ledger:
            ledger.write("one\n")
        threading.Event().wait(0.3)
        super().download(files, folder)


def test_many_processes_fetch_once(tmp_path):
    source = SlowFolder(folder=a_folder(tmp_path / "right").folder)
    entry = an_entry().model_copy(update={"sources": [source]})
    with multiprocessing.get_context("forkserver").Pool(4) as pool:
        folders = pool.starmap(fetch, [(entry, tmp_path / "cache")] * 4)
    assert len(set(folders)) == 1 and contents(folders[0]) == CONTENT
    assert (tmp_path / "right" / "downloads").read_text() == "one\n"


def test_an_unusable_cache_names_the_variable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="TRANSCRIBE_CACHE"):
        fetch(an_entry(a_folder(tmp_path / "right")), tmp_path / "file" / "cache")


# the hub


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of a hub as its client needs: /{repository}/resolve/{revision}/{file}."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        data = CONTENT.get(self.path.rsplit("/", 1)[-1]) if "/org/model/resolve/" in self.path else b"hub"
        self.send_response(200 if data else 404)
        for header, value in (
            ("ETag", f'"{hashlib.sha1(data or b"").hexdigest()}"'),
            ("X-Repo-Commit", "a" * 40),
            ("Content-Length", str(len(data or b""))),
        ):
            self.send_header(header, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data or b"")

    def log_message(self, format: str, *values: object) -> None:
        pass


def run_fetch(
    tmp_path: Path, files: dict[str, bytes] = CONTENT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command line on a registry whose only source is org/model on a hub."""
    entry = an_entry(files=files).model_dump(exclude={"name"}, exclude_defaults=True) | {
        "sources": [{"hub": "org/model", "revision": "a" * 40}]
    }
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"default": "m", "routes": [], "models": {"m": entry}}))
    command = [sys.executable, "-m", "transcribe.models", "--models", str(path), "fetch", "m"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSCRIBE_"))}
    here = {
        "TRANSCRIBE_CACHE": str(tmp_path / "cache"),
        "HF_HOME": str(tmp_path / "hf"),
        "no_proxy": "127.0.0.1",
    }
    return subprocess.run(
        command,
        env=clean | here | environment,
        cwd=DEFAULT_PATH.parents[1],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_hub_client_fetches_at_the_commit(tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = run_fetch(tmp_path, HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert contents(folder) == CONTENT
    assert {path.name for path in folder.iterdir()} == {*CONTENT, ".verified.json"}
    assert "HTTP Request" not in done.stderr


LARGE = {"model.bin": bytes(range(256)) * 100_000}
"""More than the two blocks of 10 MB that the hub's client has written when the line is cut."""


class Cut(Hub):
    """Whoever asks for all of a file gets 21 MB, and then the line is cut."""

    asked: ClassVar[list[int]] = []  # first bytes

    def do_GET(self) -> None:
        if self.command == "HEAD" or "/resolve/" not in self.path:
            return super().do_GET()
        data = LARGE["model.bin"]
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.asked.append(begin)
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(data) - begin))
        self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        self.wfile.write(data[begin:] if begin else data[:21_000_000])


def test_a_file_of_the_hub_goes_on_where_the_line_was_cut(tmp_path, monkeypatch):
    """And what a process that was killed has left there does not stay."""
    monkeypatch.setitem(CONTENT, "model.bin", LARGE["model.bin"])
    cache = tmp_path / "cache"
    with pytest.raises(ModelError):
        fetch(an_entry(FolderSource(folder=tmp_path / "none"), files=LARGE), cache)
    (partial,) = cache.glob("*.partial")
    (partial / ".cache").mkdir()
    (partial / ".cache" / "x.incomplete").write_bytes(bytes(9))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cut) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = run_fetch(tmp_path, LARGE, HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert (folder / "model.bin").read_bytes() == LARGE["model.bin"] and Cut.asked == [0, 20 << 20]
    assert {path.name for path in folder.iterdir()} == {"model.bin", ".verified.json"}


def test_a_hub_that_does_not_answer_fails_at_once(tmp_path):
    done = run_fetch(tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 2 and not done.stdout
    assert "127.0.0.1:9 cannot be reached" in done.stderr and "Retrying" not in done.stderr


def test_the_hub_can_be_switched_off(tmp_path):
    done = run_fetch(tmp_path, HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    assert done.returncode == 2 and "HF_HUB_OFFLINE is set" in done.stderr


def test_any_answer_proves_that_the_hub_is_there():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sources._probe(f"http://127.0.0.1:{server.server_port}")  # answers 501 to HEAD
        server.shutdown()


@pytest.mark.weights
def test_base_is_fetched_and_verified():
    folder = fetch(Registry.load(DEFAULT_PATH).get("base"))
    assert (folder / "model.bin").stat().st_size == 145_217_532
