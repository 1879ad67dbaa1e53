"""One real server as HTML: why it is as it is, each check with its evidence, and what has happened to it."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from healthlb.api.orders import override, timestamp
from healthlb.api.page.words import age, counted, milliseconds, visible
from healthlb.model.evidence import SeenProbe, escaped
from healthlb.model.occurrence import Occurrence
from healthlb.model.snapshot import CheckStatus, RealServerStatus, VirtualServerStatus


def server_section(
    one: VirtualServerStatus,
    server: RealServerStatus,
    events: list[Occurrence] | str,
    now: float,
    back: str,
) -> Iterator[str]:
    """Yield the section of a real server. `events` are the newest first, or a sentence why there are none."""
    name, of = escape(visible(server.name)), escape(visible(one.name))
    yield (
        f'<section id="server" aria-labelledby="server-heading" data-virtual-server="{of}" data-real-server="{name}">\n'
        f'<h2 id="server-heading">{name} of {of}</h2>\n<p><a href="{escape(back)}">Close</a></p>\n'
    )
    yield _facts(server, now)
    yield "<h3>Checks</h3>\n"
    for check in server.checks:
        yield from _check(check, now)
    if not server.checks:
        yield '<p class="none">It has no check.</p>\n'
    yield "<h3>What has happened</h3>\n"
    yield from _timeline(events)
    yield "</section>\n"


def _facts(server: RealServerStatus, now: float) -> str:
    facts = [
        ("Address", escape(str(server.address))),
        ("Method", escape(str(server.method))),
        ("Health", f'<span class="state {server.health.value}">{server.health.value}</span>'),
        ("Admin state", f'<span class="state {server.admin}">{server.admin}</span>'),
        ("Since", _moment(server.since, now)),
        ("Weight", escape(" → ".join(visible(each) for each in server.weight.chain))),
        ("In the kernel", "no row" if server.weight.kernel is None else str(server.weight.kernel)),
    ]
    if server.pooled_but_down:
        facts.append(("Panic floor", "it fails and stays pooled all the same"))
    if server.held_until is not None:
        facts.append(("Held down", f"it turned too often; until {timestamp(server.held_until)}"))
    if server.usage is not None:
        usage = server.usage
        facts.append(
            ("Connections", f"{usage.active} active, {usage.inactive} inactive, {usage.persistent} persistent")
        )
    facts += [("Override", escape(_override(override(each)))) for each in server.overrides]
    return '<dl class="facts">' + "".join(f"<dt>{key}</dt><dd>{text}</dd>" for key, text in facts) + "</dl>\n"


def _override(told: Mapping[str, Any]) -> str:
    words = f"{told['what']} ({told['scope']}) by {told['who'] or 'somebody'}"
    words += f": {told['why']}" if told["why"] else ""
    return visible(words + (f", until {told['expires_at']}" if told["expires_at"] else ""))


def _check(check: CheckStatus, now: float) -> Iterator[str]:
    health = check.health.value
    shown = health.upper() if health != "up" else health
    yield (
        f'<section class="check" data-check="{escape(visible(check.name))}">\n<h4>{escape(visible(check.name))} '
        f'<span class="state {health}">{shown}</span></h4>\n<p>{escape(visible(check.type))}'
    )
    schedule = check.schedule
    if schedule is not None:
        yield (
            f" every {schedule.interval:g} s, {schedule.timeout:g} s at most; up after "
            f"{counted(schedule.rise, 'pass', 'passes')}, down after {counted(schedule.fall, 'failure')} in a row"
        )
    yield f"; {check.passed_total} passed and {check.failed_total} failed since the start.</p>\n"
    if check.unsent_reason:
        yield f'<p class="bad">Cannot be probed: {escape(visible(check.unsent_reason))}</p>\n'
    last = check.last
    if last is not None:
        word = "passed" if last.passed else "FAILED"
        yield (
            f"<p>The latest probe {word}: {escape(visible(last.reason))}, {milliseconds(last.seconds)}, "
            f"{_moment(last.at, now)}; {check.streak} in a row.</p>\n"
        )
    if check.warning:
        yield f'<p class="warning">Warning: {escape(visible(check.warning))}</p>\n'
    if check.recent:
        yield _strip(check.recent)
    for title, seen in (("The latest failure", check.last_failure), ("The latest pass", check.last_pass)):
        if seen is not None:
            yield _seen(title, seen, now)
    yield "</section>\n"


def _strip(recent: str) -> str:
    """Draw the latest results, a bar each: a failure is lower as well as of another colour."""
    passed = recent.count("1")
    label = f"The latest {counted(len(recent), 'result')}: {passed} passed, {len(recent) - passed} failed"
    bars = "".join(
        f'<rect class="{"up" if each == "1" else "down"}" x="{3 * at}" y="{0 if each == "1" else 6}" width="2" '
        f'height="{12 if each == "1" else 6}"/>'
        for at, each in enumerate(recent)
    )
    size = 'viewBox="0 0 180 12" width="180" height="12"'
    return f'<svg class="strip" role="img" aria-label="{label}" {size}>{bars}</svg>\n'


def _seen(title: str, seen: SeenProbe, now: float) -> str:
    words = f"<p>{title}: {escape(visible(seen.reason))}, {milliseconds(seen.seconds)}, {_moment(seen.at, now)}.</p>\n"
    if seen.evidence is None:
        return words
    saw = seen.evidence
    return words + evidence(escaped(saw.sent), escaped(saw.received), saw.peer, saw.certificate)


def evidence(sent: str, received: str, peer: str, certificate: str) -> str:
    """Return what a probe saw; `sent` and `received` are escaped bytes."""
    parts = [("Sent", sent), ("Received", received), ("Peer", peer), ("Certificate", certificate)]
    shown = "".join(f"<dt>{key}</dt><dd><code>{escape(visible(text))}</code></dd>" for key, text in parts if text)
    return f'<dl class="evidence">{shown}</dl>\n' if shown else ""


def _timeline(events: list[Occurrence] | str) -> Iterator[str]:
    if isinstance(events, str):
        yield f'<p class="none">{escape(visible(events))}</p>\n'
        return
    if not events:
        yield '<p class="none">Nothing since the journal began.</p>\n'
        return
    yield (
        '<div class="scroll" role="region" aria-label="Events" tabindex="0">\n<table class="timeline">\n'
        '<caption>The newest events first</caption>\n<thead><tr><th scope="col">When</th><th scope="col">What</th>'
        '<th scope="col">Evidence</th></tr></thead>\n<tbody>\n'
    )
    for event in events:
        at = timestamp(event.at)
        yield (
            f'<tr class="{event.level}" data-event="{event.id}"><td><time datetime="{at}">{at}</time></td>'
            f"<td>{escape(visible(event.sentence))}</td><td>{_event_evidence(event.details)}</td></tr>\n"
        )
    yield "</tbody>\n</table>\n</div>\n"


def _event_evidence(details: Mapping[str, Any]) -> str:
    saw = details.get("saw")
    if isinstance(saw, Mapping):
        return evidence(*(str(saw.get(key, "")) for key in ("sent", "received", "peer", "certificate")))
    return escape(visible(str(details.get("evidence") or "")))


def _moment(at: float, now: float) -> str:
    return f'<time class="age" datetime="{timestamp(at)}">{age(now - at)}</time> ago'
