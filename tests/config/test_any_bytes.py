"""Whatever the file holds, loading ends in a Config or in a ConfigError."""

from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from healthlb.config.faults import ConfigError
from healthlb.config.loader import Loader
from healthlb.model.config import Config

FULL = Path(__file__).parents[2].joinpath("configs", "full.yaml").read_bytes()
WORDS = [
    *b"""
    virtual_servers: include: checks: director: api: real_servers: address: check: type: tunnel: persistence: fwmark:
    quorum: name: method: weight: scheduler_flags: 192.0.2.1:80 '[2001:db8::1]:80' tcp http ${A} ${A:-b} $$ *a &a !!int
    | > - ? : [ ] { } , ' " # % --- ... ~ null true 1 -1 1e9 .inf 0x10
    """.split(),
    *(b"<<: *a", b"\n", b"\n  ", b"\n    ", b"\n      - ", b"\t", b" ", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf"),
    *(b"\xc2\x85", b"\xe2\x80\xa8"),
]


def check_outcome(folder: Path, data: bytes) -> None:
    path = folder / "healthlb.yaml"
    path.write_bytes(data)
    outcome: Config | ConfigError
    try:
        outcome = Loader(str(path), environ={}).load()
    except ConfigError as error:
        outcome = error
    if isinstance(outcome, Config):
        return
    assert outcome.faults
    breaks = sum(data.count(one) for one in (b"\n", b"\r", b"\xc2\x85", b"\xe2"))
    for fault in outcome.faults:
        assert fault.message
        assert (fault.line == 0) == (fault.column == 0)
        assert fault.line <= breaks + 1


@given(data=st.binary(max_size=300))
@example(data=b"")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_end_in_a_config_or_a_config_error(tmp_path: Path, data: bytes) -> None:
    check_outcome(tmp_path, data)


@given(words=st.lists(st.sampled_from(WORDS), max_size=40))
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_words_of_the_format_end_in_a_config_or_a_config_error(tmp_path: Path, words: list[bytes]) -> None:
    check_outcome(tmp_path, b" ".join(words))


@given(at=st.integers(0, len(FULL)), removed=st.integers(0, 40), added=st.lists(st.sampled_from(WORDS), max_size=3))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_to_a_good_file_ends_in_a_config_or_a_config_error(
    tmp_path: Path, at: int, removed: int, added: list[bytes]
) -> None:
    check_outcome(tmp_path, FULL[:at] + b"".join(added) + FULL[at + removed :])
