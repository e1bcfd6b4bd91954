"""Settings: layers, and what is said about a wrong one."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from transcribe.config import Config, load
from transcribe.errors import ConfigError

CONF = Path(__file__).parents[2] / "conf"


def file_of(tmp_path: Path, text: str, name: str = "a.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def error_of(files=(), overrides=()) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(files, overrides)
    return caught.value


def test_later_files_and_then_overrides_win_key_by_key(tmp_path):
    first = file_of(tmp_path, "vad: {threshold: 0.4, min_speech_ms: 50}\nmodel: base\n")
    second = file_of(tmp_path, "vad:\n  threshold: 0.3\nchunk: {max_s: 20}\n", "b.yaml")
    config = load([first, second], ["chunk.max_s=22", "decode.full_context=true", "model=null"])
    assert (config.vad.threshold, config.vad.min_speech_ms) == (0.3, 50)
    assert (config.chunk.max_s, config.decode.full_context, config.model) == (22.0, True, None)
    assert config.chunk.pad_ms == Config().chunk.pad_ms
    assert load([second, first]).vad.threshold == 0.4
    assert load() == load([file_of(tmp_path, "# nothing\n", "c.yaml")]) == Config()


def test_a_second_aligner_that_is_not_installed_is_refused_with_the_command_that_helps(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    error = error_of(overrides=["alignment.second=hmm"])
    assert "alignment.second" in str(error) and "spark-transcribe[hmm]" in str(error)
    assert load([], ["alignment.second=none"]) == Config()


def test_overrides_as_a_mapping_are_left_as_they_were(tmp_path):
    overrides = {"spark": {"conf": {"spark.a": "1"}}, "spark.conf.spark.b": "2", "vad.threshold": 0.2}
    config = load([], overrides)
    assert config.spark.conf == {"spark.a": "1", "spark.b": "2"} and config.vad.threshold == 0.2
    assert overrides["spark"] == {"conf": {"spark.a": "1"}}


def test_sparks_own_keys_hold_dots_and_their_values_are_text(tmp_path):
    conf = file_of(tmp_path, "spark: {conf: {spark.executor.memory: 2g}}\n")
    given = ["spark.executor.cores=4", "spark.speculation=false", "spark.opts=-Da=b -Dc=d", "spark.x=1:30"]
    config = load([conf], [f"spark.conf.{pair}" for pair in given])
    expected = dict(pair.split("=", 1) for pair in ["spark.executor.memory=2g", *given])
    assert config.spark.conf == expected


@pytest.mark.parametrize(
    ("override", "key", "words"),
    [
        ("decode.beam=5", "decode.beam", "beam_size"),
        ("deocde.beam_size=5", "deocde", "decode"),
        ("vad.treshold=0.5", "vad.treshold", "threshold"),
        ("vad.zzz=0.5", "vad.zzz", "known keys here: max_segment_s"),
        ("decode.beam_size=0", "decode.beam_size", "greater than 0"),
        ("decode.beam_size=many", "decode.beam_size", "integer"),
        ("decode.device=tpu", "decode.device", "'cpu'"),
        ("audio.channels=left", "audio.channels", "match"),
        ("chunk.max_s=45", "chunk.max_s", "30"),
        ("chunk.max_gap_s=0.1", "chunk", "pad_ms"),
        ("vad.max_segment_s=29", "configuration", "chunk.max_s"),
        ("vad=3", "vad", "VadConfig"),
        ("decode.beam_size", "--set", "key=value"),
        ("decode.beam_size=[1", "--set", "not valid YAML"),
        ("audio.headerless={.vox: {format: s16le}}", "audio.headerless..vox.sample_rate", "required"),
        ("audio.headerless={.vox: {format: gsm, sample_rate: 8000, chanels: 2}}", ".chanels", "n_channels"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(override, key, words):
    error = error_of(overrides=[override])
    assert words in str(error) and key in str(error)
    assert error.remedy and "\n" not in str(error)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"vad: [", "not valid YAML"),
        (b"- a list\n", "mapping"),
        (b"vad: {threshold: 0.5}\nname: caf\xe9\n", "not valid YAML"),
        (b"vad:\n  tresh: 1\n", "threshold"),
    ],
)
def test_a_bad_file_is_named(tmp_path, content, words):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    assert words in str(error_of([path]))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "missing.yaml", tmp_path):
        error = error_of([path])
        assert error.key == "--conf" and str(path) in str(error)


@pytest.mark.parametrize("name", ["local.yaml", "nightly.yaml"])
def test_shipped_overlays_are_valid(name):
    assert load([CONF / name]) != Config()


def test_a_configuration_travels_to_workers():
    config = load([], ["vad.threshold=0.4", "spark.conf.spark.a=1"])
    assert pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(Exception, match="frozen"):
        config.vad.threshold = 0.1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["vad.threshold=0.4", "vad.neg_threshold=0.5"], "neg_threshold must not exceed threshold"),
        (["decode.beam_size=10000"], "decode.beam_size = 10000"),
        (["decode.compute_type=int3"], "decode.compute_type = 'int3'"),
        (["chunk.max_gap_s=0.1"], "chunk = 'these settings together': max_gap_s must be at least"),
    ],
)
def test_values_that_no_run_could_have_are_refused_at_once(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load([], overrides)
    assert said in str(caught.value) and len(str(caught.value)) < 300


def test_a_lower_threshold_alone_is_fine() -> None:
    assert load([], ["vad.threshold=0.3"]).vad.threshold == 0.3
