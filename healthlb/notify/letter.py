"""What a mail says, and its headers. No event can add a header, a recipient or a command to it."""

import hashlib
import re
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from healthlb import __version__
from healthlb.model.notifiers import Mail
from healthlb.notify.message import Message, moment, plain, sentence
from healthlb.notify.sending import RefusedError

MOST_SUBJECT = 150
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f.:IPv]{2,50}\])")
"""An address as mail relays take it: a dot-atom at a domain or an address literal (RFC 5321 section 4.1.2)."""


def address(text: str) -> str:
    """Return the bare address of `a@example.com` or `Name <a@example.com>`; raise RefusedError for what is none."""
    return _parts(text)[1]


def _parts(text: str) -> tuple[str, str]:
    name, bracket, rest = text.partition("<")
    bare = rest.removesuffix(">") if bracket and rest.endswith(">") else text
    if not text.isprintable() or ADDRESS.fullmatch(bare) is None:
        raise RefusedError(f"'{plain(text)}' is no mail address")
    return (name.strip().strip('"') if bracket else ""), bare


def letter(settings: Mail, message: Message, now: float) -> bytes:
    """Return a message as a mail (RFC 5322), with CRLF. `now` is UNIX seconds. Raise RefusedError for a bad address."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _named(settings.sender)
    mail["To"] = [_named(each) for each in settings.to]
    mail["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    mail["Message-ID"] = _identity(settings, message)
    mail["Subject"] = _subject(message)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 section 5: nobody's holiday answers it
    mail["X-Mailer"] = f"healthlb {__version__}"
    mail.set_content(_text(message), charset="utf-8")
    return mail.as_bytes()


def _named(text: str) -> Address:
    name, bare = _parts(text)
    try:
        return Address(name, addr_spec=bare)
    except (ValueError, MessageError) as error:
        raise RefusedError(f"'{plain(text)}' is no mail address") from error


def _subject(message: Message) -> str:
    dry = ", dry run" if message.dry_run else ""
    text = f"[healthlb {plain(message.director)}{dry}] {sentence(message)}"
    return text if len(text) <= MOST_SUBJECT else f"{text[: MOST_SUBJECT - 3]}..."


def _identity(settings: Mail, message: Message) -> str:
    """Return the same Message-ID at each try, so that a mail that came twice can be known as one."""
    events = ",".join(f"{each.id}@{each.at}" for each in message.events)
    digest = hashlib.sha256(f"{message.director}\n{settings.to}\n{events}".encode("utf-8", "replace")).hexdigest()
    return f"<{digest[:32]}.healthlb@{address(settings.sender).rpartition('@')[2]}>"


def _text(message: Message) -> str:
    lines = [sentence(message), ""]
    lines += [f"{moment(each.at)} {each.level:7} {plain(each.sentence)}" for each in message.events]
    lines += ["", f"director {plain(message.director)}" + (" (dry run: the kernel is untouched)" * message.dry_run)]
    return "\n".join(lines) + "\n"
