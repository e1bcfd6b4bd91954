"""The job on a real standalone cluster: a master and two workers on loopback, with made-up GPUs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from nightly_fixtures import (
    ROOT,
    arguments,
    broken_invariants,
    clip,
    current,
    runs,
    write_manifest,
    write_registry,
)

GPUS = ("3", "5")
"""An address a worker: numbers that nobody gets by counting."""
N_RECORDINGS = 8  # in four waves: when the first is published, the last has not begun


@dataclass
class Cluster:
    master: str
    home: str
    workers: list[subprocess.Popen[bytes]]
    folder: Path
    environment: dict[str, str]


def start(
    command: list[str], cluster_folder: Path, name: str, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    with (cluster_folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=cluster_folder, env=environment)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(pattern: str, log: Path, timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not re.search(pattern, log.read_text()):
        assert time.monotonic() < deadline, f"no {pattern!r} in {log.name}: {log.read_text()[-3000:]}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Each worker has four cores and one GPU. Nothing but the Python path tells them of this project."""
    import pyspark

    folder, home = tmp_path_factory.mktemp("cluster"), str(Path(pyspark.__file__).parent)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment |= {"SPARK_HOME": home, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    spark_class, port, web_port = f"{home}/bin/spark-class", free_port(), str(free_port())
    deploy = "org.apache.spark.deploy"
    with ExitStack() as running:
        command = [spark_class, f"{deploy}.master.Master", "--host", "127.0.0.1", "--port", str(port)]
        master = start([*command, "--webui-port", web_port], folder, "master", environment)
        running.callback(master.wait)
        running.callback(master.kill)
        wait_for("Starting Spark master", folder / "master.log")
        workers = []
        for name, gpu in zip("ab", GPUS, strict=True):
            script, properties = folder / f"gpus_{name}", folder / f"{name}.conf"
            script.write_text(f'#!/bin/sh\necho \'{{"name": "gpu", "addresses": ["{gpu}"]}}\'\n')
            script.chmod(0o755)
            given = {"amount": 1, "discoveryScript": script}
            lines = [f"spark.worker.resource.gpu.{key} {value}\n" for key, value in given.items()]
            properties.write_text("".join(lines))
            command = [spark_class, f"{deploy}.worker.Worker", "--host", "127.0.0.1", "-c", "4", "-m", "1g"]
            command += ["-d", str(folder / name), "--webui-port", str(free_port())]
            command += ["--properties-file", str(properties), f"spark://127.0.0.1:{port}"]
            workers.append(start(command, folder, name, environment))
            running.callback(workers[-1].wait)
            running.callback(workers[-1].kill)
        for name in "ab":
            wait_for("Successfully registered with master", folder / f"{name}.log")
        yield Cluster(f"spark://127.0.0.1:{port}", home, workers, folder, environment)


def executors(worker_pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_text()
        except OSError:  # gone meanwhile
            continue
        if int(fields[1]) == worker_pid and "ExecutorBackend" in command:  # not a script it runs
            found.append(int(stat.parent.name))
    return found


def submitted(cluster: Cluster, job: Path, *options: str, archives: Sequence[str] = ()) -> list[str]:
    command = [str(ROOT / "scripts" / "submit"), "--master", cluster.master]
    command += [part for archive in archives for part in ("--archives", archive)]
    for key, value in {
        "spark.executor.memory": "512m",
        "spark.executor.resource.gpu.amount": "1",
        "spark.scheduler.minRegisteredResourcesRatio": "1",
        "spark.scheduler.maxRegisteredResourcesWaitingTime": "150s",
        "spark.ui.enabled": "false",
    }.items():
        command += ["--conf", f"{key}={value}"]
    return [*command, str(job), *options]


@pytest.mark.cluster
@pytest.mark.spark
def test_gpus_are_given_out_and_a_killed_executor_is_survived(cluster: Cluster, tmp_path: Path) -> None:
    rows = []
    for n in range(N_RECORDINGS):
        service = ("caller_2", "agent_1")[n % 2]
        clip(f"call_{service}", tmp_path / f"{n}.ogg")
        rows.append({"uri": f"{n}.ogg", "recording_id": str(n), "service": service})
    manifest = write_manifest(tmp_path / "m.jsonl", rows)
    registry = write_registry(tmp_path)
    entries = yaml.safe_load(registry.read_text())
    entries["models"]["other"] = {**entries["models"]["fake"]}
    entries["routes"] = [{"service": "agent_1", "model": "other"}]  # so each wave has a task for each GPU
    registry.write_text(yaml.safe_dump(entries))
    options = arguments(manifest, tmp_path / "out", registry, "--set=job.wave_audio_h=0.0015")
    command = submitted(cluster, ROOT / "jobs" / "nightly.py", *options)
    with start(command, tmp_path, "submit", cluster.environment) as job:
        deadline = time.monotonic() + 200
        while not current(tmp_path / "out", "transcripts"):
            assert time.monotonic() < deadline and job.poll() is None, (tmp_path / "submit.log").read_text()
            time.sleep(0.1)
        (executor,) = executors(cluster.workers[0].pid)
        os.kill(executor, signal.SIGKILL)
        assert job.wait(200) == 0, (tmp_path / "submit.log").read_text()[-5000:]
    said = (tmp_path / "submit.log").read_text()
    assert f"{N_RECORDINGS} = {N_RECORDINGS} published + 0 failed + 0 skipped" in said
    assert len(said.splitlines()) <= 20, "an operator reads this"  # a slow machine says more of its progress
    log = re.search(r"what it says is in (\S+)", said)
    assert log and "Lost executor" in Path(log[1]).read_text()
    assert len(current(tmp_path / "out", "transcripts")) == N_RECORDINGS
    assert broken_invariants(tmp_path / "out") == []
    (run,) = runs(tmp_path / "out")
    assert run["n_waves"] == 4
    assert dict(run["versions"])["devices"] == ",".join(f"cuda:{gpu}" for gpu in GPUS)
    assert len(list(cluster.folder.glob("[ab]/app-*/*/code.zip"))) >= 2, "executors got the code as a zip"


SLEEPY = """
import sys, time

sys.path.insert(0, {root!r})  # the driver's own code, as jobs/nightly.py has it
from jobs import nightly
from jobs.night import stages

GPU_RTFX, N_GPUS, N_CORES = 6.0, 2, 4
segment, transcribe = stages.segment, stages.transcribe

def with_work(*given):
    stage = segment(*given)
    def run(frames):
        for frame in stage(frames):
            audio_s = frame["duration_s"][frame["kind"] == "chunk"].sum()
            time.sleep(audio_s / GPU_RTFX / N_GPUS * N_CORES)
            yield frame
    return run

def on_slow_gpus(*given):
    stage = transcribe(*given)
    def run(frames):
        from transcribe.engines.fake import FakeEngine
        def slow(self, chunks, options):
            began_at = time.time()
            time.sleep(sum(chunk.duration_s for chunk in chunks) / GPU_RTFX)
            with open({batches!r}, "a") as file:
                file.write(f"{self.device} {began_at} {time.time()}\\n")
            return [self._hypothesis(chunk) for chunk in chunks]
        FakeEngine.transcribe = slow
        yield from stage(frames)
    return run

stages.segment, stages.transcribe = with_work, on_slow_gpus
sys.exit(nightly.main())
"""
"""The job with GPUs that take a sixth of the audio's time, which four cores must work all that time to feed.
Both only sleep: what is shown is that nobody waits for Spark or the driver, on a machine of any size."""


@pytest.mark.acceptance
@pytest.mark.cluster
@pytest.mark.spark
def test_gpus_are_busy_while_cores_prepare_the_next_wave(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    samples, rate = soundfile.read(clip("call_agent_1", tmp_path / "clip.ogg"))
    soundfile.write(tmp_path / "one.flac", np.tile(samples, 4), rate)
    for n in range(440):  # of 11 s: against eight minutes of GPU work, the start is short
        shutil.copy(tmp_path / "one.flac", tmp_path / "in" / f"{n}.flac")
    batches = tmp_path / "batches"
    script = SLEEPY.replace("{root!r}", repr(str(ROOT))).replace("{batches!r}", repr(str(batches)))
    (tmp_path / "sleepy.py").write_text(script)
    registry = write_registry(tmp_path)
    options = arguments(tmp_path / "in", tmp_path / "out", registry, "--set=job.wave_audio_h=0.06")
    command = submitted(cluster, tmp_path / "sleepy.py", *options)
    with start(command, tmp_path, "sleepy", cluster.environment) as job:
        assert job.wait(840) == 0, (tmp_path / "sleepy.log").read_text()[-5000:]
    said = (tmp_path / "sleepy.log").read_text()
    print(said)
    busy_s, moments = Counter[str](), []
    for device, began_at, ended_at in map(str.split, batches.read_text().splitlines()):
        busy_s[device] += float(ended_at) - float(began_at)
        moments += [float(began_at), float(ended_at)]
    lasted_s = max(moments) - min(moments)
    print(f"busy from the first batch to the last: {dict(busy_s)} of {lasted_s:.0f} s")
    assert len(busy_s) == 2 and min(busy_s.values()) > 0.9 * lasted_s
    told = re.search(r"GPUs +2 busy (\d+)% .*\n", said)
    wall_s = re.search(r"all of the run's (\d+) s", said)
    assert told and wall_s and abs(int(told[1]) / 100 * int(wall_s[1]) - busy_s.total() / 2) < 0.03 * lasted_s
    assert told and int(told[1]) > 85, "of the whole run: the start is longer where other work runs"
    assert broken_invariants(tmp_path / "out") == []


@pytest.mark.acceptance
@pytest.mark.cluster
@pytest.mark.spark
def test_a_packed_environment_is_all_that_executors_need(cluster: Cluster, tmp_path: Path) -> None:
    archive = tmp_path / "environment.tar.gz"
    subprocess.run([ROOT / "scripts" / "pack", archive], check=True)
    (tmp_path / "in").mkdir()
    clip("call_agent_1", tmp_path / "in" / "call.ogg")
    options = arguments(tmp_path / "in", tmp_path / "out", write_registry(tmp_path))
    command = submitted(cluster, ROOT / "jobs" / "nightly.py", *options, archives=[f"{archive}#environment"])
    packed = {"PYSPARK_PYTHON": "./environment/bin/python", "PYSPARK_DRIVER_PYTHON": sys.executable}
    with start(command, tmp_path, "packed", cluster.environment | packed) as job:
        assert job.wait(280) == 0, (tmp_path / "packed.log").read_text()[-5000:]
    assert len(current(tmp_path / "out", "transcripts")) == 1
    assert list(cluster.folder.glob("[ab]/app-*/*/environment/bin/python")), "it travelled"


def test_submit_ships_the_code_and_passes_all_else_on(tmp_path: Path) -> None:
    """With a spark-submit that only tells what it was given, and ends as a bad run does."""
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "spark-submit"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > args\nwhile [ "$1" != --py-files ]; do shift; done\n')
    with fake.open("a") as script:
        script.write("cp $2 copy.zip\nexit 1\n")
    fake.chmod(0o755)
    given = ["--master", "yarn", "jobs/nightly.py", "--set", "a b=c d", "--plan"]
    environment = {**os.environ, "SPARK_HOME": str(tmp_path), "PYSPARK_PYTHON": sys.executable}
    environment.pop("PYSPARK_DRIVER_PYTHON", None)
    done = subprocess.run([ROOT / "scripts" / "submit", *given], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 1
    passed = (tmp_path / "args").read_text().splitlines()
    assert passed[-len(given) :] == given
    assert not Path(passed[passed.index("--py-files") + 1]).exists(), "nothing is left behind"
    (logging,) = [argument for argument in passed if "log4j2.configurationFile=file:///" in argument]
    assert Path(logging.rpartition("file://")[2]).is_file()
    with zipfile.ZipFile(tmp_path / "copy.zip") as archive:
        names = set(archive.namelist())
    wanted = {"transcribe/types.py", "transcribe/pages/run.j2", "udfs/segment.py", "jobs/nightly.py"}
    assert wanted <= names and all(name.endswith((".py", ".j2", ".css")) for name in names)
