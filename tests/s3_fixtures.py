"""A real S3 server on loopback: SeaweedFS from its Python package."""

from __future__ import annotations

import os
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from transcribe import s3
from transcribe.errors import StorageError
from transcribe.storage import S3Options, put_bytes

BUCKET = "rec"
START_TIMEOUT_S = 30


def free_ports(n: int) -> list[int]:
    """Ports that are free now, each with its port + 10000 (SeaweedFS's gRPC)."""
    found: list[int] = []
    with ExitStack() as held:
        for port in range(21_000 + os.getpid() % 5_000, 50_000):
            pair = [held.enter_context(socket.socket()) for _ in range(2)]
            try:
                pair[0].bind(("127.0.0.1", port))
                pair[1].bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            found.append(port)
            if len(found) == n:
                return found
    raise RuntimeError("no free ports")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Options]:
    """Where the server is; its credentials are in the environment, as on a cluster. Bucket: ``rec``."""
    folder = tmp_path_factory.mktemp("seaweedfs")
    ports = dict(zip(("admin", "master", "volume", "filer", "s3"), free_ports(5), strict=True))
    options = S3Options(f"http://127.0.0.1:{ports['s3']}", "us-east-1")
    environment = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        environment.delenv(name)
    environment.setenv("AWS_ACCESS_KEY_ID", "test-key")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
    environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
    command = [Path(sysconfig.get_path("scripts"), "weed"), "mini", f"-dir={folder}", f"-bucket={BUCKET}"]
    command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false", "-admin.ui=false"]
    command += ["-webdav=false", "-s3.port.lance=0", "-s3.port.iceberg=0"]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        _wait_until_it_writes(server, options, folder / "log")
        yield options
    finally:
        server.kill()
        server.wait()
        environment.undo()
        s3.client.cache_clear()


def _wait_until_it_writes(server: subprocess.Popen[bytes], options: S3Options, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            put_bytes(f"s3://{BUCKET}/ready", b"", options)
            return
        except StorageError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no S3 server: {log.read_text()[-2000:]}") from error
            time.sleep(0.2)
