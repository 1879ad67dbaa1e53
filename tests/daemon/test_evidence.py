"""What probes saw: kept of the latest failure, told in short, and warnings told once."""

from dataclasses import replace

import pytest

from checks import Evidence, ProbeResult
from healthlb.daemon import sentences
from healthlb.model.check import Log, Probe
from healthlb.model.events import CheckWarned, CheckWarningEnded, ProbeFailed, ProbePassed, RealServerDown
from healthlb.model.snapshot import CheckStatus
from tests.daemon.rig import CHECK, FAIL, OTHER, PASS, WEB1, Rig, run, shop, shown, web

SAW = Evidence(b"GET / HTTP/1.1\r\n", b"HTTP/1.1 503 Busy\r\nx: \x1b[31m\r\n", "192.0.2.1:80", "CN=web, ends in 3 days")
BUSY = ProbeResult(False, "status 503, expected 200-299", 0.004, evidence=SAW)
OLD = replace(PASS, warning="the certificate ends in 9 days")


async def check_shown(rig: Rig) -> CheckStatus:
    return (await shown(rig)).virtual_servers[0].real_servers[0].checks[0]


def logging(log: Log) -> Probe:
    return Probe(replace(CHECK, log=log), WEB1)


def test_the_latest_failure_is_kept_with_what_it_saw_and_outlives_the_recovery() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1)))
        await rig.result(WEB1, BUSY)
        await rig.result(WEB1, PASS)
        check = await check_shown(rig)
        assert check.last is not None
        assert check.last.passed
        assert check.last_failure is not None
        assert (check.last_failure.at, check.last_failure.reason) == (1000.0, "status 503, expected 200-299")
        assert check.last_failure.evidence is not None
        assert check.last_failure.evidence.received == SAW.received
        assert check.last_pass is None
        await rig.result(WEB1, FAIL, times=1)
        latest = (await check_shown(rig)).last_failure
        assert latest is not None
        assert (latest.reason, latest.evidence) == ("connection refused", None)

    run(story)


def test_a_server_that_turns_down_is_told_with_what_was_received_in_short() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1)))
        await rig.result(WEB1, BUSY)

    [event] = run(story).told(RealServerDown)
    assert sentences.told(event)[1] == (
        "shop: 192.0.2.1:80 is DOWN: web: status 503, expected 200-299 (2 results in a row); "
        r"received 'HTTP/1.1 503 Busy\r\nx: \x1b[31m', certificate: CN=web, ends in 3 days"
    )


@pytest.mark.parametrize(("log", "failed", "passed"), [("verdicts", 0, 0), ("failures", 3, 0), ("all", 3, 2)])
def test_each_probe_that_is_to_be_logged_leaves_one_line_however_many_pools_share_it(
    log: Log, failed: int, passed: int
) -> None:
    async def story(rig: Rig) -> None:
        probe = logging(log)
        await rig.adopt(shop(web(WEB1, probes=(probe,))), shop(web(WEB1, probes=(probe,)), key=OTHER, name="other"))
        await rig.result(WEB1, PASS)
        await rig.result(WEB1, BUSY, times=3)

    rig = run(story)
    assert (len(rig.told(ProbeFailed)), len(rig.told(ProbePassed))) == (failed, passed)
    for event in rig.told(ProbeFailed):
        assert sentences.told(event)[1].startswith(
            "probe web of 192.0.2.1:80 failed: status 503, expected 200-299 in 0.004"
        )


def test_where_everything_is_logged_the_latest_pass_is_kept_as_well() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1, probes=(logging("all"),))))
        await rig.result(WEB1, replace(PASS, evidence=SAW))
        seen = (await check_shown(rig)).last_pass
        assert seen is not None
        assert seen.evidence is not None
        assert seen.evidence.peer == "192.0.2.1:80"

    run(story)


def test_a_warning_is_told_when_it_begins_and_when_it_ends_and_shown_with_its_latest_words() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1)))
        await rig.result(WEB1, PASS)
        await rig.result(WEB1, OLD, times=50)
        await rig.result(WEB1, replace(OLD, warning="the certificate ends in 8 days"), times=50)
        assert (await check_shown(rig)).warning == "the certificate ends in 8 days"
        await rig.result(WEB1, FAIL, times=1)
        assert (await check_shown(rig)).warning == "the certificate ends in 8 days"
        assert len(rig.told(CheckWarned)) == 1
        assert rig.told(CheckWarningEnded) == []
        await rig.result(WEB1, PASS, times=5)
        assert (await check_shown(rig)).warning == ""

    rig = run(story)
    assert rig.told(CheckWarned) == [CheckWarned("shop", str(WEB1), "web", "the certificate ends in 9 days")]
    assert rig.told(CheckWarningEnded) == [CheckWarningEnded("shop", str(WEB1), "web")]
    told = [sentences.told(event)[1] for event in (*rig.told(CheckWarned), *rig.told(CheckWarningEnded))]
    assert told == [
        "shop: 192.0.2.1:80: web warns: the certificate ends in 9 days",
        "shop: 192.0.2.1:80: web warns no longer",
    ]
