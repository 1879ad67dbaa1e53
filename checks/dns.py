"""`dns`: one question, and what its answer must be (RFC 1035, RFC 6891 for EDNS, RFC 7766 for TCP).

dnspython builds the question once and takes every answer apart. Over UDP what does not answer this question is
ignored, because anyone may have sent it (RFC 5452 section 9.1), and the question is sent again while there is time.
"""

import functools
import os
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from checks import CarrierName, Check, Conversation, Step, Target, Tls, Verdict
from checks.options import Boolean, Choice, Duration, Integer, ListOf, Matching, Record, Text, option
from checks.wire.inbox import Inbox, PeerError, judged
from checks.wire.repeating import Repeated
from checks.wire.showing import shown

if TYPE_CHECKING:
    from dns.message import Message
    from dns.rdata import Rdata

HEADER = 12
"""Bytes of a message's header (RFC 1035 section 4.1.1)."""
IS_ANSWER, TRUNCATED = 0x80, 0x02
SMALLEST_EDNS = 512
MOST_RECORDS = 256
"""The most records that are taken apart: crafted ones cost a fifth of a millisecond each."""
MOST_SHOWN = 3
NO_EDNS = ("FORMERR", "NOTIMP")
NOT_ASKED_FOR = frozenset({"AXFR", "IXFR", "MAILA", "MAILB", "NONE", "OPT", "TKEY", "TSIG"})

RECORD_TYPE = Matching(r"[A-Za-z][A-Za-z0-9-]*", "a record type such as AAAA or TYPE65280")
RCODE = Matching(r"[A-Za-z][A-Za-z0-9]*", "a response code such as NXDOMAIN")


@dataclass(frozen=True, slots=True)
class Edns:
    """What the question says in its OPT record (RFC 6891)."""

    size: int = option(
        Integer(0, 65535), "Bytes that an answer over UDP may have; 0 sends no OPT record, so 512 is the most.", 1232
    )
    dnssec: bool = option(Boolean(), "Whether to ask for signatures (the DO bit, RFC 3225).", False)


@dataclass(frozen=True, slots=True)
class Dns(Check):
    """Ask a name server one question and judge the response code and, if wanted, the answers."""

    type: ClassVar[str] = "dns"
    known_as: ClassVar[dict[str, str]] = {"keepalived": "DNS_CHECK", "ldirectord": "service = dns"}

    query_name: str = option(
        Text(), "The name to ask for; it needs no dot at its end.", ".", keepalived="name", ldirectord="request"
    )
    query_type: str = option(
        RECORD_TYPE, "The record type to ask for, such as A, AAAA or DNSKEY.", "SOA", keepalived="type"
    )
    rcode: tuple[str, ...] = option(
        ListOf(RCODE, single=True, minimum=1), "Response codes that pass, such as NOERROR or NXDOMAIN.", ("NOERROR",)
    )
    answers: tuple[str, ...] = option(
        ListOf(Text(), single=True),
        "Records that must be among the answers, as a zone file writes what stands behind the type.",
        (),
        ldirectord="receive",
    )
    exact: bool = option(Boolean(), "Whether there may be no other answers of the type asked for.", False)
    minimum_answers: int | None = option(
        Integer(0, 1000),
        "How many answers there must be, 0 as keepalived has it; default: 1 where the response code is NOERROR.",
        None,
    )
    authoritative: bool = option(Boolean(), "Whether the answer must be authoritative (the AA bit).", False)
    recursion: bool = option(Boolean(), "Whether to ask for recursion (the RD bit).", True)
    transport: str = option(Choice(("udp", "tcp")), "How to ask.", "udp")
    edns: Edns = option(Record(Edns), "The question's OPT record.", Edns())
    resend: float = option(Duration(0.02, 3600.0), "How long to wait for an answer over UDP before asking again.", 0.4)
    tries: int = option(
        Integer(1, 16),
        "How often to ask over UDP; the last time, the rest of the timeout is waited.",
        3,
        keepalived="retry",
    )
    tls: Tls | None = option(Record(Tls), "DNS over TLS (RFC 7858), with transport: tcp; {} for every default.", None)

    @property
    def carrier(self) -> CarrierName:
        """Return what carries the question."""
        return "datagram" if self.transport == "udp" else "stream"

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        return _faults(self)

    def prepare(self) -> str | None:
        """Import what takes a message apart, and the module of the record type asked for."""
        query, _ = _question(self)
        _parsed(query.to_wire())
        _expected(self)
        return None

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  every server is asked the same
        """Ask and judge."""
        return judged(_over_udp(self) if self.transport == "udp" else _over_tcp(self))


def _faults(check: Dns) -> Iterator[tuple[str, str]]:
    yield from _word_faults(check)
    if check.exact and not check.answers:
        yield "exact", "list the answers that there must be, and no others, in answers"
    if check.tls is not None and check.transport == "udp":
        yield "tls", "DNS over TLS goes over TCP; say transport: tcp"
    if 0 < check.edns.size < SMALLEST_EDNS:
        yield "edns", f"size: at least {SMALLEST_EDNS} (RFC 6891 section 6.2.3), or 0 for no OPT record"
    if check.edns.dnssec and not check.edns.size:
        yield "edns", "dnssec: the DO bit is in the OPT record, which size: 0 leaves out"


def _word_faults(check: Dns) -> Iterator[tuple[str, str]]:
    import dns.exception  # noqa: PLC0415  dnspython takes tens of milliseconds, which only its users shall pay
    import dns.name  # noqa: PLC0415
    import dns.rcode  # noqa: PLC0415
    import dns.rdatatype  # noqa: PLC0415

    try:
        dns.name.from_text(check.query_name)
    except (dns.exception.DNSException, ValueError) as error:
        yield "query_name", f"is no domain name: {str(error).rstrip('.')}"
    try:
        known = dns.rdatatype.to_text(dns.rdatatype.from_text(check.query_type))
    except (dns.exception.DNSException, ValueError):
        yield "query_type", f"there is no record type {check.query_type}; TYPE123 names one by its number"
    else:
        if known in NOT_ASKED_FOR:
            yield "query_type", f"{known} is no type that a check can ask for"
        elif check.answers:
            yield from _answer_faults(check)
    for rcode in check.rcode:
        try:
            dns.rcode.from_text(rcode)
        except (dns.exception.DNSException, ValueError):
            yield "rcode", f"there is no response code {rcode}; they are words such as NOERROR, NXDOMAIN or REFUSED"


def _answer_faults(check: Dns) -> Iterator[tuple[str, str]]:
    import dns.exception  # noqa: PLC0415  see above

    if check.query_type.upper() == "ANY":
        yield "answers", "with query_type ANY nobody can say of which type they are"
        return
    for text in check.answers:
        try:
            _rdata(check.query_type, text)
        except (dns.exception.DNSException, ValueError) as error:
            yield "answers", f"'{shown(text)}' is no {check.query_type} record: {error}"


def _rdata(query_type: str, text: str) -> "Rdata":
    import dns.name  # noqa: PLC0415  see above
    import dns.rdata  # noqa: PLC0415

    if query_type.upper() == "TXT" and not text.startswith('"'):
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return dns.rdata.from_text("IN", query_type, text, dns.name.root, relativize=False)


@functools.lru_cache(maxsize=4096)
def _question(check: Dns) -> "tuple[Message, bytes]":
    """Return the question, and its bytes without the number that they begin with."""
    import dns.flags  # noqa: PLC0415  see above
    import dns.message  # noqa: PLC0415

    size = check.edns.size
    query = dns.message.make_query(
        check.query_name,
        check.query_type.upper(),
        use_edns=0 if size else False,
        payload=size or None,
        want_dnssec=check.edns.dnssec,
        flags=dns.flags.RD if check.recursion else dns.flags.Flag(0),
        id=0,
    )
    return query, query.to_wire()[2:]


@functools.lru_cache(maxsize=4096)
def _expected(check: Dns) -> "tuple[Rdata, ...]":
    return tuple(_rdata(check.query_type, text) for text in check.answers)


def _parsed(data: bytes, *, question_only: bool = False) -> "Message":
    """Take a message apart, or no more than its header and question. Raise PeerError."""
    import dns.exception  # noqa: PLC0415  see above
    import dns.message  # noqa: PLC0415

    records = sum(int.from_bytes(data[at : at + 2], "big") for at in (6, 8, 10))
    if records > MOST_RECORDS:
        raise PeerError(f"the answer announces {records} records; at most {MOST_RECORDS} are read")
    try:
        return dns.message.from_wire(data, question_only=question_only, ignore_trailing=True, raise_on_truncation=False)
    except (dns.exception.DNSException, ValueError, IndexError, AssertionError, UnicodeError) as error:
        words = shown(str(error).rstrip("."))
        raise PeerError(f"malformed DNS answer: {words}" if words else "malformed DNS answer") from error


def _over_udp(check: Dns) -> Conversation:
    query, rest = _question(check)
    number = os.urandom(2)
    asking = Repeated(number + rest, check.resend, check.tries)
    while True:
        data = yield from asking.datagram()
        if len(data) < HEADER or data[:2] != number or not data[2] & IS_ANSWER:
            continue
        truncated = bool(data[2] & TRUNCATED)
        answer = _parsed(data, question_only=truncated)  # the rest may break off anywhere
        if _answers(query, answer):
            return _judge(check, answer, truncated=truncated)


def _over_tcp(check: Dns) -> Conversation:
    """Ask with a length before the question (RFC 7766 section 8)."""
    query, rest = _question(check)
    number = os.urandom(2)
    inbox = Inbox()
    length = yield from _length(inbox, number + rest)
    if length < HEADER:
        raise PeerError(f"the server announced an answer of {length} bytes, which is none")
    data = yield from inbox.exactly(length, None, "an answer")
    if data[:2] != number or not data[2] & IS_ANSWER:
        raise PeerError("the server sent something else than an answer to this question")
    answer = _parsed(data)
    if not _answers(query, answer):
        raise PeerError("the server answered another question")
    return _judge(check, answer)


def _length(inbox: Inbox, query: bytes) -> Generator[Step, bytes, int]:
    framed = len(query).to_bytes(2, "big") + query
    return int.from_bytes((yield from inbox.exactly(2, Step(framed, at_least=2), "an answer")), "big")


def _answers(query: "Message", answer: "Message") -> bool:
    """Say whether the question is the same; a refusal may leave it out. The numbers were compared before."""
    answer.id = query.id
    return bool(query.is_response(answer))


def _judge(check: Dns, answer: "Message", *, truncated: bool = False) -> Verdict:
    import dns.flags  # noqa: PLC0415  see above
    import dns.rcode  # noqa: PLC0415

    rcode = dns.rcode.to_text(answer.rcode())
    if rcode not in (each.upper() for each in check.rcode):
        return Verdict(False, f"{rcode}, expected {' or '.join(check.rcode)}{_hint(check, rcode)}")
    if check.authoritative and not answer.flags & dns.flags.AA:
        return Verdict(False, f"{rcode}, but the answer is not authoritative")
    if truncated:
        return _judge_truncated(check, rcode)
    found = _found(check, answer)
    wanted = (1 if rcode == "NOERROR" else 0) if check.minimum_answers is None else check.minimum_answers
    if len(found) < wanted:
        return Verdict(False, f"{rcode} with {_count(len(found))}, expected at least {wanted}")
    expected = _expected(check)
    missing = [text for text, rdata in zip(check.answers, expected, strict=True) if rdata not in found]
    if missing:
        return Verdict(False, f"{rcode}, but {shown(missing[0])} is not among the answers: {_list(found)}")
    others = [rdata for rdata in found if rdata not in expected]
    if check.exact and others:
        return Verdict(False, f"{rcode}, but there are other answers: {_list(others)}")
    return Verdict(True, f"{rcode}, {_count(len(found))}")


def _hint(check: Dns, rcode: str) -> str:
    """Return what may be at fault: who knows no EDNS at all says FORMERR or NOTIMP to it (RFC 6891 section 7)."""
    return " (to a server without EDNS, say edns: {size: 0})" if rcode in NO_EDNS and check.edns.size else ""


def _judge_truncated(check: Dns, rcode: str) -> Verdict:
    """Judge an answer that did not fit: the server works; only what must be in the answer cannot be seen."""
    if check.answers or check.minimum_answers:
        return Verdict(False, "the answer is longer than UDP takes and was truncated; use transport: tcp")
    return Verdict(True, f"{rcode}, an answer longer than UDP takes")


def _found(check: Dns, answer: "Message") -> "list[Rdata]":
    """Return the records of the type asked for, behind whatever aliases; all of them for ANY."""
    import dns.rdatatype  # noqa: PLC0415  see above

    wanted = dns.rdatatype.from_text(check.query_type)
    return [
        cast("Rdata", rdata)
        for rrset in answer.answer
        if wanted in (rrset.rdtype, dns.rdatatype.ANY)
        for rdata in rrset
    ]


def _count(number: int) -> str:
    return "1 answer" if number == 1 else f"{number or 'no'} answers"


def _list(found: "list[Rdata]") -> str:
    if not found:
        return "there are none"
    texts = ", ".join(shown(rdata.to_text()) for rdata in found[:MOST_SHOWN])
    return texts + (f" and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else "")
