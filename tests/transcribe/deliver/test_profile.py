"""A service's ``deliver:`` as its YAML says it, and what is said of a wrong one."""

from __future__ import annotations

import pytest
import yaml
from pydantic import ValidationError

from transcribe.deliver.profile import CueRules, JsonLines, Profile

PLACE = "destination: out/{service}/{region}/{date}\n"


def profile(text: str) -> Profile:
    return Profile.model_validate(yaml.safe_load(text))


def test_formats_that_are_named_are_delivered_with_their_options():
    found = profile(PLACE + "vtt: {max_line_chars: 37, speakers: always}\njsonl:\n")
    assert found.formats == {
        "vtt": CueRules(max_line_chars=37, speakers="always"),
        "jsonl": JsonLines(words=True),
    }


def test_each_region_and_date_has_a_folder():
    found = profile("destination: s3://calls-{region}/{date}/\nwords: {}\n")
    assert found.folder("bi", "eu", "2026-11-25") == "s3://calls-eu/2026-11-25"
    assert profile(PLACE + "srt:").folder("a/b", "..", "d") == "out/a%2Fb/%2E%2E/d"
    assert profile(PLACE + "srt:").folder("bi", ".", "1.2") == "out/bi/%2E/1.2"
    assert profile(PLACE + "srt:").folder("bi", None, "d") == "out/bi/none/d"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PLACE, "names no format; add one of srt, vtt"),
        ("vtt: {}", "destination"),
        ("destination: out/{region}\nvtt:", "add {date}"),
        ("destination: out\nvtt:", "add {date} and {region}"),
        ("destination: 'out/{region}/{date}/{day}'\nvtt:", "only {region}, {date} and {service}"),
        ("destination: 'out/{region!r}/{date}'\nvtt:", "only {region}, {date} and {service}"),
        ("destination: 'out/{region}/{date'\nvtt:", "write {region} and {date}"),
        (PLACE + "vtt: true", "vtt"),
        (PLACE + "ttml: {}", "ttml"),
        (PLACE + "vtt: {max_line_char: 3}", "max_line_char"),
        (PLACE + "vtt: {max_lines: 0}", "greater than or equal to 1"),
        (PLACE + "vtt: {min_cue_s: 8}", "min_cue_s must not exceed max_cue_s"),
        (PLACE + "words: {rejected: true}", "rejected"),
        (PLACE + "speakers: always\nvtt:", "speakers"),
    ],
)
def test_a_wrong_one_is_refused_and_says_what(text: str, said: str):
    with pytest.raises(ValidationError, match=said.replace("{", r"\{")):
        profile(text)
