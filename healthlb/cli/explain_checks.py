"""What a server's checks ask, how often, and what they heard, in sentences."""

from typing import Any

from healthlb.cli.explain_words import span, times
from healthlb.cli.times import moment, shown

Document = dict[str, Any]


def all_checks(server: Document, now: float) -> list[str]:
    """Return a sentence or two for each check."""
    checks = server["checks"]
    if not checks:
        return ["It has none: it is believed to be up."]
    told = [_check(each, now) for each in checks]
    require = server["policy"]["require"]
    return told if len(checks) == 1 else [f"{'All' if require == 'all' else 'One'} of {len(checks)} must pass.", *told]


def asked(feedback: Document) -> str:
    """Return what a server said of itself, in words."""
    words = []
    if feedback["weight"] is not None:
        weight = feedback["weight"]
        words.append(f"{weight} % of its weight" if feedback["percent"] else f"weight {weight}")
    words += [feedback["admin"]] if feedback["admin"] is not None else []
    return ", ".join(words) or "nothing"


def _check(check: Document, now: float) -> str:
    health = str(check["health"])
    word = health if health == "up" else health.upper()
    return f"{check['name']} ({check['type']}) {_asks(check)}: {word}, {_streak(check)}. {_latest(check, now)}"


def _asks(check: Document) -> str:
    """Return what it probes, what it says to it as far as that is known, and how often."""
    seen = [each["evidence"] for each in (check["last_failure"], check["last_pass"]) if each and each["evidence"]]
    line = next((each["sent"].partition("\\r\\n")[0] for each in seen if each["sent"]), "")
    words = f" with {line[:60]}" if line.isprintable() and line else ""
    return f"probes {check['target']}{words} {_pace(check)}"


def _pace(check: Document) -> str:
    schedule = check["schedule"]
    usual = schedule["interval"]
    others = (("fast_interval", "while it turns"), ("down_interval", "while DOWN"))
    more = ", ".join(f"{span(schedule[key])} {when}" for key, when in others if schedule[key] != usual)
    return f"every {span(usual)}" + (f" ({more})" if more else "")


def _streak(check: Document) -> str:
    schedule, streak = check["schedule"], check["streak"]
    if not streak:
        return f"no result yet; {schedule['rise']} in a row turn it up, {schedule['fall']} DOWN"
    if check["passing"]:
        return f"{times(streak, 'pass')}; rise {schedule['rise']}"
    return f"{times(streak, 'failure')}; fall {schedule['fall']}"


def _latest(check: Document, now: float) -> str:
    if check["unsent_reason"]:
        return f"It CANNOT BE PROBED: {check['unsent_reason']}; its verdict stays as it is."
    last = check["last"]
    if last is None:
        return "It has not been probed yet."
    warns = f" It warns: {check['warning']}." if check["warning"] else ""
    word = "passed" if last["passed"] else "failed"
    return f"The latest, {shown(now - moment(last['at']))} ago, {word}: {last['reason']}.{warns}"
