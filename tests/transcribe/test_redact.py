"""No secret among the settings is in their text."""

from __future__ import annotations

import pytest

from transcribe.config import load
from transcribe.errors import ConfigError
from transcribe.evaluate.systems import System
from transcribe.redact import HIDDEN, is_secret, redact, redact_pair

SECRETS = {
    "spark.hadoop.fs.s3a.secret.key": "abc",
    "spark.hadoop.fs.s3a.access.key": "abc",
    "spark.hadoop.fs.s3a.session.token": "abc",
    "spark.hadoop.fs.azure.account.key.x.dfs.core.windows.net": "abc",
    "spark.hadoop.fs.azure.sas.container.x": "abc",
    "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:mysql://db/meta?user=hive",
    "spark.hadoop.fs.s3a.proxy.host": "http://me:abc@proxy:3128",
    "spark.driver.extraJavaOptions": "-Djavax.net.ssl.keyStorePassword=abc",
}
PLAIN = {
    "spark.executor.memory": "4g",
    "vad.threshold": "0.4",
    "spark.hadoop.fs.s3a.endpoint": "http://s3:9000",
}


@pytest.mark.parametrize("key", SECRETS)
def test_values_of_secrets_are_hidden_wherever_settings_become_text(key):
    value = SECRETS[key]
    config = load([], {"spark.conf": {key: value}})
    assert redact(config.model_dump(mode="json"))["spark"]["conf"] == {key: HIDDEN}
    assert redact_pair(f"{key}={value}") == f"{key}={HIDDEN}"
    assert value not in System.parse(f"base:spark.conf.{key}={value}").name
    assert value not in str(ConfigError(key, value, "is wrong"))


@pytest.mark.parametrize("key", PLAIN)
def test_other_settings_are_shown(key):
    assert not is_secret(key, PLAIN[key])
    assert redact_pair(f"{key}={PLAIN[key]}") == f"{key}={PLAIN[key]}"


def test_the_default_settings_hold_nothing_to_hide():
    settings = load().model_dump(mode="json")
    assert redact(settings) == settings
