"""What a finished HTTP probe leaves behind."""

import gc

import pytest

from checks import Conversation, Target, Verdict
from checks.http import Http
from checks.web.options import Each

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\nwell"
KINDS = [Http(), Http(expect="well"), Http(requests=(Each(path="/a"), Each(path="/b")))]


def talk(conversation: Conversation, answers: list[bytes]) -> Verdict | None:
    try:
        next(conversation)
        for answer in answers:
            conversation.send(answer)
    except StopIteration as stop:
        verdict: Verdict = stop.value
        return verdict
    conversation.close()
    return None


@pytest.mark.parametrize("check", KINDS)
@pytest.mark.parametrize("answers", [[], [OK[:20]], [OK], [OK, OK], [b""], [b"garbage\r\n\r\n"]])
def test_a_probe_leaves_nothing_to_the_collector(check: Http, answers: list[bytes]) -> None:
    target = Target("127.0.0.1", 80)
    talk(check.converse(target), answers)
    gc.collect()
    gc.disable()
    try:
        for _ in range(50):
            talk(check.converse(target), answers)
        assert gc.collect() == 0
    finally:
        gc.enable()
