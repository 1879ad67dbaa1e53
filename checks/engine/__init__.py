"""Carries conversations over sockets: batched connects, TLS, one deadline for a whole probe.

What a check gets from it beside bytes (`checks.Step`, `checks.Check`, `checks.Target`), and where:

- UDP: `carrier` returns "datagram". Each step's `send` is one datagram, each one that comes is handed over alone; an
  empty one is b"" and is not SILENCE. A closed port fails at once, without the conversation ("port unreachable").
- `Step(patience=0.5)`: after half a second SILENCE is handed over (tell it by `is`); what had come of `at_least` bytes
  comes with a later step. The probe's deadline stands.
- `Step(secure=Tls(...))`: STARTTLS. Take the go-ahead by `Inbox.line`, then `yield from inbox.secure(settings)`, which
  refuses what came after it in clear; the engine refuses what waits unread.
- `Step(reconnect=True)`: a new connection to the same target, with TLS and the PROXY header as at first.
- `Step(certificate=True)`: is handed the leaf in DER, b"" without TLS; in the middle of STARTTLS, too.
- `proxy_protocol` returns "v1" or "v2": the header goes first, in clear (`checks.engine.proxying`).
- `Target.way`: `checks.engine.ways.open_socket(family, kind, way, protocol)` opens every socket; other carriers use it.
- `unanswered(target, reason)` is asked when the engine ends a probe as failed: refused, reset, timed out, TLS, flood.
- `on_connect` returns a verdict where being connected is all: such a check costs no conversation.
- UnusableError, raised anywhere in a conversation, makes the probe "not sent: ...".

Who probes the same target again and again calls `Engine.plan` once and what it returns for each run.
`checks.engine.dialogue` plays a conversation from bytes, for tests.
"""

from checks.engine.engine import Engine

__all__ = ["Engine"]
