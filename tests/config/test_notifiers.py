"""Who is told of events, as the file says it."""

import os
from typing import Any, get_args

import pytest

from healthlb.config.notifier_options import DEFAULT_EVENTS, TOLD, UNTOLD
from healthlb.model.events import Event
from healthlb.model.notifiers import PLACEHOLDERS, Command, Fifo, Mail, Notifier, Webhook
from healthlb.model.occurrence import name_of

SHOP = "virtual_servers:\n  shop: {address: 192.0.2.10:80, real_servers: [192.0.2.11]}\n"


def notifier(file: Any, *lines: str) -> Notifier:
    text = SHOP + "notifiers:\n  oncall:\n" + "".join(f"    {line}\n" for line in lines)
    found = file.load(text).notifiers["oncall"]
    assert isinstance(found, Notifier)
    return found


def test_a_minimal_webhook_has_every_default(file: Any) -> None:
    assert notifier(file, "type: webhook", "url: https://hooks.example.com/lb") == Notifier(
        "oncall", Webhook("https://hooks.example.com/lb"), frozenset(DEFAULT_EVENTS), (), 2.0, 0.0, 10.0, 600.0, 1000
    )


def test_a_webhook_is_as_it_is_written(file: Any) -> None:
    found = notifier(
        file,
        "type: webhook",
        "url_file: /etc/healthlb/url",
        "preset: slack",
        "headers: {X-Queue: network, Content-Type: text/json}",
        "header_files: {Authorization: /etc/healthlb/token}",
        "ca_file: /etc/ca.pem",
        "events: [quorum_lost, real_server_held]",
        "virtual_servers: shop",
        "group: 0",
        "quiet: 5m",
        "timeout: 3s",
        "retry_for: 1h",
        "queue: 7",
    )
    assert found == Notifier(
        "oncall",
        Webhook(
            None,
            "/etc/healthlb/url",
            "slack",
            None,
            (("X-Queue", "network"), ("Content-Type", "text/json")),
            (("Authorization", "/etc/healthlb/token"),),
            "/etc/ca.pem",
        ),
        frozenset({"quorum_lost", "real_server_held"}),
        ("shop",),
        0.0,
        300.0,
        3.0,
        3600.0,
        7,
    )


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_each_placeholder_may_stand_in_a_template(file: Any, name: str) -> None:
    settings = notifier(
        file, "type: webhook", "url: http://127.0.0.1:9/", f'template: \'{{"a": ["x {{{name}}} y", {{count}}]}}\''
    ).settings
    assert isinstance(settings, Webhook)
    assert settings.template == f'{{"a": ["x {{{name}}} y", {{count}}]}}'


def test_a_command_is_an_argument_list(file: Any) -> None:
    assert notifier(file, "type: command", "command: [/bin/page, '', 'a b']", "user: pager").settings == Command(
        ("/bin/page", "", "a b"), "pager", "json"
    )
    assert notifier(file, "type: command", "command: [/bin/page]", "format: keepalived").settings == Command(
        ("/bin/page",), None, "keepalived"
    )


def test_a_fifo_is_a_path(file: Any) -> None:
    assert notifier(file, "type: fifo", "path: /run/lvs.fifo").settings == Fifo("/run/lvs.fifo")


def test_mail_goes_by_the_local_relay_unless_it_is_said_otherwise(file: Any) -> None:
    settings = notifier(file, "type: mail", "to: root").settings
    assert settings == Mail(("root",), f"healthlb@{os.uname().nodename}")
    settings = notifier(
        file,
        "type: mail",
        "to: [a@example.com, b@example.com]",
        "from: lb@example.com",
        "host: '[2001:DB8::25]'",
        "tls: tls",
        "ca_file: /ca.pem",
        "username: lb",
        "password_file: /password",
    ).settings
    assert settings == Mail(
        ("a@example.com", "b@example.com"), "lb@example.com", "2001:db8::25", 465, "tls", "/ca.pem", "lb", "/password"
    )


@pytest.mark.parametrize(("tls", "port"), [("none", 25), ("starttls", 25), ("tls", 465)])
def test_the_port_of_a_relay_follows_its_tls(file: Any, tls: str, port: int) -> None:
    settings = notifier(file, "type: mail", "to: root", f"tls: {tls}").settings
    assert isinstance(settings, Mail)
    assert settings.port == port


def test_all_events_are_all_but_those_of_single_probes_and_of_notifiers(file: Any) -> None:
    every = {name_of(event) for event in get_args(Event)}
    events = notifier(file, "type: fifo", "path: /run/lvs.fifo", "events: all").events
    assert events == frozenset(TOLD)
    assert every - events == set(UNTOLD)
    assert set(DEFAULT_EVENTS) <= events


def test_a_virtual_server_names_who_is_told_of_its_quorum(file: Any) -> None:
    config = file.load(
        """\
        virtual_servers:
          shop: {address: 192.0.2.10:80, on_quorum_lost: pager, real_servers: []}
          mail: {address: 192.0.2.10:25, on_quorum_lost: [pager, team], real_servers: []}
        notifiers:
          pager: {type: fifo, path: /run/pager, events: table_lost, virtual_servers: mail}
          team: {type: mail, to: root}
        """
    )
    assert [server.on_quorum_lost for server in config.virtual_servers.values()] == [("pager",), ("pager", "team")]
    assert list(config.notifiers) == ["pager", "team"]


def test_notifiers_may_be_spread_over_files(file: Any) -> None:
    file.write("notifiers: {b: {type: fifo, path: /b}}\n", "b.yaml")
    config = file.load("include: [b.yaml]\nnotifiers: {a: {type: fifo, path: /a}}\n" + SHOP)
    assert list(config.notifiers) == ["a", "b"]
    assert file.faults("include: [b.yaml]\nnotifiers: {b: {type: fifo, path: /a}}\n" + SHOP) == [
        f"{file.folder}/b.yaml:1:13: notifiers.b: is here twice; {file.path}:2 has it already".removeprefix(
            f"{file.folder}/"
        )
    ]


WEBHOOK = "type: webhook, url: 'https://example.com/'"


@pytest.mark.parametrize(
    ("settings", "faults"),
    [
        ("5", ["11: notifiers.oncall: expected a notifier, found the number 5"]),
        ("{}", ["11: notifiers.oncall.type: is missing: a notifier says its type: webhook, command, fifo or mail"]),
        ("{type: slack}", ["18: notifiers.oncall.type: expected webhook, command, fifo or mail, found 'slack'"]),
        ("{type: webhok}", ["18: notifiers.oncall.type: expected webhook, command, fifo or mail, found 'webhok'; did"]),
        ("{type: webhook}", ["11: notifiers.oncall.url: is missing: where it is posted; or give url_file"]),
        ("{type: webhook, url: ftp://a/}", ["32: notifiers.oncall.url: expected a URL such as https://hooks.example"]),
        ("{type: webhook, url: 'https://'}", ["32: notifiers.oncall.url: expected a URL such as"]),
        ("{type: webhook, url: 'https://a:0/'}", ["32: notifiers.oncall.url: expected a URL such as"]),
        ("{type: webhook, url: 'https://a:99999/'}", ["32: notifiers.oncall.url: expected a URL such as"]),
        ("{type: webhook, url: 'https://[::1/'}", ["32: notifiers.oncall.url: expected a URL such as"]),
        ("{type: webhook, url: 'https://a/ b'}", ["32: notifiers.oncall.url: expected a URL in printable ASCII"]),
        ("{type: webhook, url: 'https://a/#b'}", ["32: notifiers.oncall.url: has a fragment, which is never sent"]),
        (
            "{type: webhook, url: 'https://lb:hunter2@a/'}",
            ["32: notifiers.oncall.url: holds a name or a password; give them as Authorization under header_files"],
        ),
        (
            f"{{{WEBHOOK}, url_file: /u, preset: json, template: '1'}}",
            [
                "66: notifiers.oncall.url_file: takes the place of url; leave one of them out",
                "94: notifiers.oncall.template: takes the place of preset; leave one of them out",
            ],
        ),
        (f"{{{WEBHOOK}, timeout: 0}}", ["65: notifiers.oncall.timeout: 0 is out of range: 100ms to 10m"]),
        (f"{{{WEBHOOK}, path: /x}}", ["56: notifiers.oncall.path: unknown key"]),
        (f"{{{WEBHOOK}, template: '{{text'}}", ["66: notifiers.oncall.template: is not JSON once it is filled: Expec"]),
        (
            f"{{{WEBHOOK}, template: '{{message}}'}}",
            ["66: notifiers.oncall.template: is not JSON once it is filled: Expecting value (line 1"],
        ),
        (
            f"{{{WEBHOOK}, template: '\"{{mesage}}\"'}}",
            ["66: notifiers.oncall.template: there is no placeholder {mesage}; known: event, message, virtual_server"],
        ),
        (f"{{{WEBHOOK}, template: '[NaN]'}}", ["66: notifiers.oncall.template: is not JSON once it is filled: NaN"]),
        (f"{{{WEBHOOK}, template: '{'[' * 100_000}'}}", ["66: notifiers.oncall.template: is nested too deeply"]),
        (
            f"{{{WEBHOOK}, headers: {{Authorization: Bearer x}}}}",
            ["81: notifiers.oncall.headers.Authorization: is a secret: write its value into a file"],
        ),
        (
            f"{{{WEBHOOK}, headers: {{a b: c, Host: d, x: e}}, header_files: {{X: /f}}}}",
            [
                "71: notifiers.oncall.headers.a b: cannot be a header's name (RFC 9110 section 5.1)",
                "80: notifiers.oncall.headers.Host: is set by healthlb",
                "108: notifiers.oncall.header_files.X: is there twice",
            ],
        ),
        (f"{{{WEBHOOK}, headers: {{a: ' x'}}}}", ["69: notifiers.oncall.headers.a: expected a header's value: one"]),
        (
            "{type: webhook, url: 'http://a/', ca_file: /c}",
            ["54: notifiers.oncall.ca_file: is for https, and the URL begins with http:"],
        ),
        (f"{{{WEBHOOK}, events: []}}", ["64: notifiers.oncall.events: expected a list of at least 1, found 0"]),
        (
            f"{{{WEBHOOK}, events: [quorum_lst]}}",
            ["65: notifiers.oncall.events[0]: expected the name of an event such as real_server_down, or all, f"],
        ),
        (
            f"{{{WEBHOOK}, events: probe_failed}}",
            ["64: notifiers.oncall.events: probe_failed tells of single probes, which are in the log alone"],
        ),
        (
            f"{{{WEBHOOK}, events: [all, notifier_failed]}}",
            ["70: notifiers.oncall.events[1]: notifier_failed tells of notifiers, which no notifier is told of"],
        ),
        (
            f"{{{WEBHOOK}, virtual_servers: [shop, shp]}}",
            ["80: notifiers.oncall.virtual_servers[1]: there is no virtual server named 'shp'; did you mean 'shop'?"],
        ),
        (
            f"{{{WEBHOOK}, virtual_servers: web}}",
            ["73: notifiers.oncall.virtual_servers: there is no virtual server named 'web'"],
        ),
        ("{type: command}", ["11: notifiers.oncall.command: is missing: the program (an absolute path)"]),
        ("{type: command, command: page}", ["36: notifiers.oncall.command: expected a list, found 'page'"]),
        (
            "{type: command, command: [page]}",
            ["37: notifiers.oncall.command[0]: expected the program's absolute path, such as /usr/local/bin/page"],
        ),
        ('{type: command, command: [/p, "\\0"]}', ["41: notifiers.oncall.command[1]: expected an argument without"]),
        ("{type: command, command: [/p], user: 'a b'}", ["48: notifiers.oncall.user: expected a name from the system"]),
        ("{type: fifo, path: x}", ["30: notifiers.oncall.path: expected an absolute path such as"]),
        ("{type: mail}", ["11: notifiers.oncall.to: is missing: who gets it"]),
        ("{type: mail, to: 'a@b@c'}", ["28: notifiers.oncall.to: expected an address such as ops@example.com"]),
        ('{type: mail, to: "a@b\\r\\nBcc: c"}', ["28: notifiers.oncall.to: expected an address such as ops@example"]),
        ("{type: mail, to: a, host: 'a b'}", ["37: notifiers.oncall.host: expected a host's name or address, found"]),
        ("{type: mail, to: a, host: 1.2.3.400}", ["37: notifiers.oncall.host: '1.2.3.400' is no IPv4 address"]),
        ("{type: mail, to: a, username: b}", ["41: notifiers.oncall.username: needs password_file beside it"]),
        ("{type: mail, to: a, password_file: /b}", ["46: notifiers.oncall.password_file: needs username beside it"]),
        (
            "{type: mail, to: a, host: mx, username: b, password_file: /b, ca_file: /c}",
            [
                "69: notifiers.oncall.password_file: would go in the clear; give tls: starttls or tls: tls",
                "82: notifiers.oncall.ca_file: is for tls: starttls and tls: tls",
            ],
        ),
    ],
)
def test_a_mistake_in_a_notifier_is_one_sentence_at_its_place(file: Any, settings: str, faults: list[str]) -> None:
    found = file.faults(f"{SHOP}notifiers:\n  oncall: {settings}\n")
    assert len(found) == len(faults)
    for one, start in zip(found, faults, strict=True):
        assert one.startswith(f"healthlb.yaml:4:{start}")


def test_what_a_wrong_url_holds_is_not_repeated(file: Any) -> None:
    for url in (
        "https://lb:hunter2@a/hunter2",
        "https://a:hunter2",
        "https://[hunter2]/",
        "hunter2",
        "https://a/#hunter2",
    ):
        [fault] = file.faults(f"{SHOP}notifiers:\n  a: {{type: webhook, url: '{url}'}}\n")
        assert "hunter2" not in fault


def test_a_login_on_this_machine_needs_no_encryption(file: Any) -> None:
    for host in ("127.0.0.1", "'::1'", "localhost"):
        notifier(file, "type: mail", "to: a", f"host: {host}", "username: b", "password_file: /c")


def test_a_name_that_is_none_is_told_and_counts_as_known(file: Any) -> None:
    text = "notifiers:\n  a b: {type: fifo, path: /a}\n  c: {type: fifo}\n"
    text += SHOP.replace("{address", "{on_quorum_lost: [c], address")
    assert [fault.partition(" is")[0] for fault in file.faults(text)] == [
        "healthlb.yaml:2:3: notifiers: 'a b'",
        "healthlb.yaml:3:6: notifiers.c.path:",
    ]


def test_a_notifier_that_is_gone_is_missed_by_those_that_name_it(file: Any) -> None:
    shop = "virtual_servers:\n  shop:\n    address: 192.0.2.10:80\n    on_quorum_lost: [oncall]\n    real_servers: []\n"
    pager = "notifiers:\n  oncall:\n    type: fifo\n    path: /a\n"
    first = file.load(shop + pager)
    second = file.load(shop + pager.replace("/a", "/b"))
    assert second.virtual_servers["shop"] is first.virtual_servers["shop"]
    [fault] = file.faults(shop + pager.replace("oncall", "on-call"))
    place, _, sentence = fault.partition(": virtual_servers.shop.on_quorum_lost[0]: ")
    assert place == "healthlb.yaml:4:22"
    assert sentence == "there is no notifier named 'oncall' under notifiers; did you mean 'on-call'?"
