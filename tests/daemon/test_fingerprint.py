"""Fingerprints: probes are the same where they are equal, in this process and in the next."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from checks import Way
from checks.http import Http
from healthlb.daemon.fingerprint import fingerprint
from healthlb.model.check import Check, Probe
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Schedule
from tests.daemon.rig import CHECK, WEB1

conversations = st.sampled_from(
    [
        Http(),
        Http(path="/healthz"),
        Http(expect_regex=re.compile("ok")),
        Http(expect_regex=re.compile("ok", re.IGNORECASE)),
        frozenset({"a", "b", "c"}),
        frozenset({"b", "a"}),
        ("1", b"1"),
        (1, None, True, 7),
        (1.0, None, True, 7),
        (1.5, None, True, 7),
    ]
)
schedules = st.sampled_from(
    [CHECK.schedule, replace(CHECK.schedule, interval=3), replace(CHECK.schedule, interval=3.0)]
)
checks = st.builds(
    Check, st.sampled_from(["web", "api"]), st.sampled_from(["http", "tcp"]), schedules, conversations, st.none()
)
probes = st.builds(
    Probe,
    st.one_of(checks, checks.map(lambda check: replace(check, way=Way(source="192.0.2.9")))),
    st.sampled_from([WEB1, Endpoint("192.0.2.1", 81), Endpoint("2001:db8::1", 80)]),
    st.sampled_from([(), (("virtual_server", "shop"),)]),
)

IN_ANOTHER_PROCESS = """
from checks.http import Http
from healthlb.daemon.fingerprint import fingerprint
from healthlb.model.check import Check, Probe
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Schedule
many = frozenset(f"word {number}" for number in range(50))
check = Check("web", "http", Schedule(2.0, 1.0, 2, 2, 0.5, 5.0), (Http(path="/healthz"), many))
print(fingerprint(Probe(check, Endpoint("192.0.2.1", 80))))
"""


@given(probes, probes)
def test_probes_have_one_fingerprint_where_they_are_equal_and_two_where_they_are_not(one: Probe, other: Probe) -> None:
    assert (fingerprint(one) == fingerprint(other)) is (one == other)


def test_a_check_that_is_renamed_keeps_its_fingerprint() -> None:
    assert fingerprint(Probe(CHECK, WEB1)) == fingerprint(Probe(replace(CHECK, name="api"), WEB1))


def test_another_process_comes_to_the_same_fingerprint_whatever_its_hashes_are() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", IN_ANOTHER_PROCESS],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert re.fullmatch("[0-9a-f]{32}\n", found.pop())


def test_a_secret_does_not_show_in_a_fingerprint() -> None:
    probe = Probe(Check("web", "http", Schedule(2.0, 1.0, 2, 2, 0.5, 5.0), ("hunter2",)), WEB1)
    assert "hunter2" not in fingerprint(probe)


def test_a_plugins_check_with_settings_of_its_own_kind_has_no_fingerprint() -> None:
    class Strange:
        pass

    @dataclass(frozen=True)
    class Settings:
        strange: Strange

    assert fingerprint(Probe(replace(CHECK, conversation=Settings(Strange())), WEB1)) == ""
