"""What a name server must answer, from bytes alone."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Step, Tls, Verdict
from checks.dns import Dns, Edns
from tests.checks.talking import DAMAGES, Damage, in_turn, is_told, over_datagrams, over_stream

Play = Callable[..., Verdict]
WWW = Dns(query_name="www.example", query_type="A")


def answer(
    query: bytes, *records: str, rcode: str = "NOERROR", flags: dns.flags.Flag = dns.flags.AA, section: str = "answer"
) -> bytes:
    """Answer a query, truthfully but for what the test says."""
    asked = dns.message.from_wire(query)
    reply = dns.message.make_response(asked)
    reply.set_rcode(dns.rcode.from_text(rcode))
    reply.flags |= flags
    for record in records:
        name, kind, data = record.split(" ", 2)
        getattr(reply, section).append(dns.rrset.from_text(name, 60, "IN", kind, data))
    return reply.to_wire()


def asked(check: Dns, *records: str, **options: Any) -> Verdict:
    """Return the verdict on a server that answers so over UDP, having seen that TCP gives the same one."""
    verdict, _ = over_datagrams(check, lambda step: [answer(step.send, *records, **options)])

    def framed(step: Step) -> bytes:
        reply = answer(step.send[2:], *records, **options)
        return len(reply).to_bytes(2, "big") + reply

    for most in (1, 1 << 16):
        assert over_stream(dataclasses.replace(check, transport="tcp"), framed, most=most)[0] == verdict
    return verdict


def test_the_default_question_is_that_of_keepalived_with_a_size_of_its_own() -> None:
    _, [step, *_] = over_datagrams(Dns(), lambda _: [])
    query = dns.message.from_wire(step.send)
    assert query.question[0].to_text() == ". IN SOA"
    assert (query.flags, query.edns, query.payload, query.ednsflags) == (dns.flags.RD, 0, 1232, 0)


def test_the_question_is_as_the_options_say() -> None:
    check = Dns(query_name="Example.org", query_type="dnskey", recursion=False, edns=Edns(4096, dnssec=True))
    _, [step, *_] = over_datagrams(check, lambda _: [])
    query = dns.message.from_wire(step.send)
    assert query.question[0].to_text() == "Example.org. IN DNSKEY"
    assert (query.flags, query.payload, query.ednsflags) == (0, 4096, dns.flags.DO)
    _, [step, *_] = over_datagrams(Dns(edns=Edns(0)), lambda _: [])
    assert dns.message.from_wire(step.send).edns == -1


TWO = ("www.example. A 192.0.2.1", "www.example. A 192.0.2.2")


@pytest.mark.parametrize(
    ("options", "records", "how", "reason"),
    [
        ({}, TWO, {}, "NOERROR, 2 answers"),
        ({}, ("www.example. CNAME web.example.", "web.example. A 192.0.2.1"), {}, "NOERROR, 1 answer"),
        ({"answers": ("192.0.2.2",)}, TWO, {}, "NOERROR, 2 answers"),
        ({"answers": ("192.0.2.2", "192.0.2.1"), "exact": True}, TWO, {}, "NOERROR, 2 answers"),
        ({"rcode": ("nxdomain",)}, (), {"rcode": "NXDOMAIN"}, "NXDOMAIN, no answers"),
        ({"rcode": ("REFUSED", "NOERROR")}, (), {"rcode": "REFUSED"}, "REFUSED, no answers"),
        ({"minimum_answers": 0}, (), {}, "NOERROR, no answers"),
        ({"authoritative": True}, TWO, {}, "NOERROR, 2 answers"),
        ({"query_type": "ANY"}, ("www.example. TXT x", *TWO), {}, "NOERROR, 3 answers"),
    ],
)
def test_what_was_wanted_passes(options: Any, records: Sequence[str], how: Any, reason: str) -> None:
    assert asked(dataclasses.replace(WWW, **options), *records, **how) == Verdict(True, reason)


@pytest.mark.parametrize(
    ("options", "records", "how", "reason"),
    [
        ({}, (), {"rcode": "SERVFAIL"}, "SERVFAIL, expected NOERROR"),
        ({"rcode": ("NXDOMAIN", "REFUSED")}, TWO, {}, "NOERROR, expected NXDOMAIN or REFUSED"),
        ({}, (), {}, "NOERROR with no answers, expected at least 1"),
        ({}, ("www.example. CNAME web.example.",), {}, "NOERROR with no answers, expected at least 1"),
        ({}, TWO, {"section": "authority"}, "NOERROR with no answers, expected at least 1"),
        ({"minimum_answers": 3}, TWO, {}, "NOERROR with 2 answers, expected at least 3"),
        (
            {"answers": ("192.0.2.3",)},
            TWO,
            {},
            "NOERROR, but 192.0.2.3 is not among the answers: 192.0.2.1, 192.0.2.2",
        ),
        ({"answers": ("192.0.2.2",), "exact": True}, TWO, {}, "NOERROR, but there are other answers: 192.0.2.1"),
        (
            {"answers": ("192.0.2.9",)},
            [f"www.example. A 192.0.2.{last}" for last in range(1, 6)],
            {},
            "NOERROR, but 192.0.2.9 is not among the answers: 192.0.2.1, 192.0.2.2, 192.0.2.3 and 2 more",
        ),
        (
            {"answers": ("192.0.2.9",), "minimum_answers": 0},
            (),
            {},
            "NOERROR, but 192.0.2.9 is not among the answers: there are none",
        ),
        ({"authoritative": True}, TWO, {"flags": dns.flags.RA}, "NOERROR, but the answer is not authoritative"),
    ],
)
def test_what_was_not_wanted_fails(options: Any, records: Sequence[str], how: Any, reason: str) -> None:
    assert asked(dataclasses.replace(WWW, **options), *records, **how) == Verdict(False, reason)


@pytest.mark.parametrize(
    ("kind", "expected", "record"),
    [
        ("AAAA", "2001:DB8:0:0::1", "2001:db8::1"),
        ("MX", "10 MAIL.example", "10 mail.example."),
        ("NS", "ns1.example", "NS1.example."),
        ("TXT", "v=spf1 -all", '"v=spf1 -all"'),
        ("TXT", 'say "hi"; \\', '"say \\"hi\\"; \\\\"'),
        ("TXT", '"two" "strings"', '"two" "strings"'),
        ("SOA", "ns.example. admin.example. 1 2 3 4 5", "ns.example. admin.example. 1 2 3 4 5"),
    ],
)
def test_answers_are_compared_as_records_not_as_text(kind: str, expected: str, record: str) -> None:
    check = dataclasses.replace(WWW, query_type=kind, answers=(expected,), exact=True)
    assert not list(check.faults())
    assert asked(check, f"www.example. {kind} {record}").passed


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_what_does_not_answer_the_question_is_ignored_over_udp(strays: list[bytes]) -> None:
    def server(step: Step) -> list[bytes]:
        right = answer(step.send, *TWO)
        other_number = bytes((right[0] ^ 1,)) + right[1:]
        other_name = answer(step.send[:2] + dns.message.make_query("other.example", "A").to_wire()[2:])
        return [other_number, step.send, other_name, *(other_number[:2] + each for each in strays), right]

    assert over_datagrams(WWW, server)[0] == Verdict(True, "NOERROR, 2 answers")


def test_a_question_without_an_answer_is_asked_again_and_the_late_answer_counts() -> None:
    seen: list[bytes] = []

    def server(step: Step) -> list[bytes]:
        seen.append(step.send)
        return [answer(step.send, *TWO)] if len(seen) == 3 else []

    check = dataclasses.replace(WWW, resend=0.25)
    verdict, steps = over_datagrams(check, server)
    assert verdict == Verdict(True, "NOERROR, 2 answers")
    assert len(set(seen)) == 1
    assert [step.patience for step in steps] == [0.25, 0.25, None]


def test_the_last_question_is_waited_for_as_long_as_the_probe_has() -> None:
    verdict, steps = over_datagrams(dataclasses.replace(WWW, tries=2), lambda _: [])
    assert verdict == Verdict(False, "no answer, asked 2 times")
    assert [step.patience for step in steps] == [0.4, None]


def test_questions_are_not_to_be_guessed() -> None:
    numbers = {over_datagrams(WWW, lambda _: [])[1][0].send[:2] for _ in range(20)}
    assert len(numbers) > 10


@pytest.mark.parametrize("wanted", [{"answers": ("192.0.2.1",)}, {"minimum_answers": 1}])
def test_a_truncated_answer_of_which_something_is_wanted_says_what_to_do(wanted: dict[str, Any]) -> None:
    check = dataclasses.replace(WWW, **wanted)
    verdict = over_datagrams(check, lambda step: [answer(step.send, flags=dns.flags.TC)])[0]
    assert verdict == Verdict(False, "the answer is longer than UDP takes and was truncated; use transport: tcp")


def test_a_server_that_truncates_is_well_where_any_answer_will_do() -> None:
    def cut(step: Step) -> list[bytes]:
        return [answer(step.send, "www.example. A 192.0.2.1", flags=dns.flags.TC)[:-2]]

    assert over_datagrams(WWW, cut)[0] == Verdict(True, "NOERROR, an answer longer than UDP takes")
    refused = over_datagrams(WWW, lambda step: [answer(step.send, rcode="SERVFAIL", flags=dns.flags.TC)])[0]
    assert refused == Verdict(False, "SERVFAIL, expected NOERROR")
    authoritative = dataclasses.replace(WWW, authoritative=True)
    assert over_datagrams(authoritative, cut)[0] == Verdict(False, "NOERROR, but the answer is not authoritative")


def test_a_server_that_knows_no_edns_is_told_from_a_sick_one() -> None:
    assert asked(WWW, rcode="FORMERR") == Verdict(
        False, "FORMERR, expected NOERROR (to a server without EDNS, say edns: {size: 0})"
    )
    plain = dataclasses.replace(WWW, edns=Edns(0))
    assert asked(plain, rcode="FORMERR") == Verdict(False, "FORMERR, expected NOERROR")


def test_a_refusal_without_the_question_is_an_answer() -> None:
    refused = over_datagrams(WWW, lambda step: [step.send[:2] + bytes.fromhex("81050000000000000000")])[0]
    assert refused == Verdict(False, "REFUSED, expected NOERROR")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"", "the connection closed without an answer"),
        (b"\x00\x0c\x12", "the connection closed in the middle of an answer"),
        (b"\x00\x05hello", "the server announced an answer of 5 bytes, which is none"),
        (b"\x00\x0c" + bytes(12), "the server sent something else than an answer to this question"),
    ],
)
def test_what_is_no_answer_over_tcp_fails(reply: bytes, reason: str) -> None:
    assert over_stream(dataclasses.replace(WWW, transport="tcp"), in_turn(reply))[0] == Verdict(False, reason)


def test_more_records_than_a_probe_has_time_for_are_not_taken_apart() -> None:
    verdict, _ = over_datagrams(WWW, lambda step: [step.send[:2] + bytes.fromhex("81000001ffff00000000") + bytes(9)])
    assert verdict == Verdict(False, "the answer announces 65535 records; at most 256 are read")


def test_an_answer_to_another_question_over_tcp_fails() -> None:
    def server(step: Step) -> bytes:
        reply = answer(step.send[2:4] + dns.message.make_query("other.example", "A").to_wire()[2:])
        return len(reply).to_bytes(2, "big") + reply

    verdict, _ = over_stream(dataclasses.replace(WWW, transport="tcp"), server)
    assert verdict == Verdict(False, "the server answered another question")


@pytest.mark.parametrize(
    ("check", "option"),
    [
        (Dns(query_name="a..b"), "query_name"),
        (Dns(query_name="x" * 64), "query_name"),
        (Dns(query_type="AAAAA"), "query_type"),
        (Dns(query_type="AXFR"), "query_type"),
        (Dns(rcode=("WELL",)), "rcode"),
        (Dns(query_type="A", answers=("192.0.2.256",)), "answers"),
        (Dns(query_type="ANY", answers=("192.0.2.1",)), "answers"),
        (Dns(exact=True), "exact"),
        (Dns(tls=Tls()), "tls"),
        (Dns(edns=Edns(100)), "edns"),
        (Dns(edns=Edns(0, dnssec=True)), "edns"),
    ],
)
def test_options_that_are_wrong_are_told(check: Dns, option: str) -> None:
    assert [name for name, _ in check.faults()] == [option]


def test_a_check_that_is_right_has_no_fault_and_can_be_prepared() -> None:
    for check in (Dns(), WWW, Dns(query_type="TYPE65280"), Dns(transport="tcp", tls=Tls())):
        assert not list(check.faults())
        assert check.prepare() is None
    assert (Dns().carrier, Dns(transport="tcp").carrier) == ("datagram", "stream")


@given(st.lists(st.binary(max_size=60)))
def test_any_bytes_end_in_a_verdict(play: Play, pieces: list[bytes]) -> None:
    assert is_told(play(dataclasses.replace(WWW, transport="tcp"), pieces))
    assert is_told(over_datagrams(WWW, lambda step: [*pieces, *(step.send[:2] + piece for piece in pieces)])[0])


@given(DAMAGES)
def test_damaged_answers_end_in_a_verdict(damages: list[Damage]) -> None:
    def damaged(query: bytes) -> bytes:
        reply = answer(query, *TWO, "www.example. TXT text", "www.example. MX 1 a.example.")
        for damage in damages:
            reply = damage(reply)
        return query[:2] + b"\x80" + reply[3:]

    def framed(step: Step) -> bytes:
        reply = damaged(step.send[2:])
        return len(reply).to_bytes(2, "big") + reply

    check = Dns(query_name="www.example", query_type="ANY")
    assert is_told(over_datagrams(check, lambda step: [damaged(step.send)])[0])
    assert is_told(over_stream(dataclasses.replace(check, transport="tcp"), framed)[0])
