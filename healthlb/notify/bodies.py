"""What is posted to a webhook: our own JSON, Slack's, Alertmanager's, or an operator's template."""

import json
from typing import Any

from healthlb.model.notifiers import PLACEHOLDER, Webhook
from healthlb.model.occurrence import Occurrence
from healthlb.notify.message import FEW, Message, as_json, few, moment, plain, sentence
from healthlb.notify.spells import CHANGED, ENDS, lasts, spell

ALERT_LASTS = 7 * 86400.0
"""Seconds after which an alert ends that nothing has ended: without an end, Alertmanager takes an alert that is not
sent again for resolved after its resolve_timeout, 5 minutes, though the server is still down."""
CLOCKS_APART = 60.0
"""Seconds by which an alert's end is put back. Alertmanager merges an end that is still to come by its own clock with
the one that it knows, and keeps the later (types.Alert.Merge): by a director whose clock is ahead, no alert would end.
"""
MOST_LINES = 15
MOST_LINE = 300
"""What one message to Slack shows at most: it cuts what is longer than a few thousand characters (chat.postMessage)."""
SEVERITIES = {"info": "info", "warning": "warning", "error": "critical"}
CRITICAL = frozenset({"quorum_lost", "panic_began", "sorry_server_activated", "table_lost", "state_unsaved"})


def body(settings: Webhook, message: Message) -> bytes:
    """Return a webhook's body for a message."""
    if settings.template is not None:
        return from_template(settings.template, message).encode()
    match settings.preset:
        case "slack":
            return _compact(slack(message))
        case "alertmanager":
            return _compact(alerts(message))
        case _:
            return _compact(as_json(message))


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def from_template(template: str, message: Message) -> str:
    """Fill in a template. What differs between a message's events is listed, the first few by name."""
    events = message.events
    known = {
        "event": few(each.name for each in events),
        "message": sentence(message),
        "virtual_server": few(each.virtual_server for each in events if each.virtual_server is not None),
        "real_server": few(each.real_server for each in events if each.real_server is not None),
        "director": message.director,
        "level": message.level,
        "at": moment(events[0].at),
        "count": str(len(events)),
    }
    return PLACEHOLDER.sub(lambda match: json.dumps(known.get(match[1], match[0]))[1:-1], template)


def slack(message: Message) -> dict[str, str]:
    """Return Slack's payload; `&`, `<` and `>` are its markup, where `<!channel>` would wake everybody."""
    dry = " (dry run)" if message.dry_run else ""
    lines = [f"*{_for_slack(message.director)}*{dry}: {_for_slack(sentence(message))}"]
    if len(message.events) > FEW:
        shown = message.events[:MOST_LINES]
        lines += [f"• {_for_slack(each.sentence)}" for each in shown]
        if len(message.events) > len(shown):
            lines.append(f"… and {len(message.events) - len(shown)} more")
    return {"text": "\n".join(lines)}


def _for_slack(text: str) -> str:
    shown = plain(text)
    if len(shown) > MOST_LINE:
        shown = shown[: MOST_LINE - 1] + "…"
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def alerts(message: Message) -> list[dict[str, Any]]:
    """Return what Alertmanager's POST /api/v2/alerts takes.

    What begins something is an alert, what ends it the same alert with its end; the labels tell which. An event that
    neither begins nor ends anything is an alert that Alertmanager ends by itself.
    """
    return [_alert(message, each) for each in message.events]


def _alert(message: Message, event: Occurrence) -> dict[str, Any]:
    name, pool, server, details = spell(event)
    known = name in ENDS or name == CHANGED
    labels = {
        "alertname": "".join(word.capitalize() for word in name.split("_")),
        "severity": _severity(name, event),
        "director": message.director,
        "instance": str(event.address or event.service or message.director),
        "virtual_server": pool,
        "real_server": server,
        **({key: plain(value) for key, value in details} if known else {}),
        **({"dry_run": "true"} if message.dry_run else {}),
    }
    alert: dict[str, Any] = {
        "labels": {key: value for key, value in labels.items() if value},
        "annotations": {"summary": plain(event.sentence), "event": event.name},
    }
    match lasts(event):
        case True:
            alert |= {"startsAt": moment(event.at), "endsAt": moment(event.at + ALERT_LASTS)}
        case False:
            alert["endsAt"] = moment(event.at - CLOCKS_APART)
        case None:
            alert["startsAt"] = moment(event.at)
    return alert


def _severity(name: str, event: Occurrence) -> str:
    """Return the severity: of what begins and ends always the same, as labels that differ are two alerts."""
    if name in ENDS or name == CHANGED:
        return "critical" if name in CRITICAL else "warning"
    return SEVERITIES[event.level]
