"""`${NAME}`, `${NAME:-default}` and `$$` in values."""

from typing import Any

import pytest

from healthlb.config.loader import load

SHOP = "virtual_servers:\n  shop:\n    address: 192.0.2.10:80\n    real_servers: [192.0.2.11]\n"


def test_a_variable_stands_in_an_address_and_in_a_number(file: Any) -> None:
    config = file.load(SHOP.replace("192.0.2.10:80", "${VIP}:${PORT}\n    weight: ${WEIGHT:-7}"))
    assert str(config.virtual_servers["shop"].service.key) == "tcp 192.0.2.9:8080"
    assert config.virtual_servers["shop"].real_servers[0].weight == 7


def test_an_empty_variable_takes_the_default(file: Any) -> None:
    config = file.load(SHOP + "    weight: ${EMPTY:-7}\n")
    assert config.virtual_servers["shop"].real_servers[0].weight == 7


def test_a_quoted_variable_stays_text(file: Any) -> None:
    assert "weight: expected a whole number, found '8080'" in file.faults(SHOP + "    weight: '${PORT}'\n")[0]


def test_an_unset_variable_without_a_default_is_a_fault_at_its_place(file: Any) -> None:
    assert file.faults(SHOP + "    scheduler: ${NOWHERE}\n") == [
        (
            "healthlb.yaml:5:16: virtual_servers.shop.scheduler: the environment variable NOWHERE is not set; set it, "
            "or give a default: ${NOWHERE:-default}"
        )
    ]


@pytest.mark.parametrize("written", ["'${'", "'${}'", "'${A B}'", "'${1}'", "${PORT"])
def test_a_misspelt_variable_is_a_fault(file: Any, written: str) -> None:
    assert (
        "'${' begins a variable such as ${NAME} or ${NAME:-default}"
        in file.faults(SHOP + f"    scheduler: {written}\n")[0]
    )


def test_two_dollars_are_one_and_one_alone_is_itself(file: Any) -> None:
    config = file.load(SHOP + "    check: {type: http, expect_regex: 'a$$|$${b}|c$'}\n")
    check = config.virtual_servers["shop"].real_servers[0].probes[0].check
    assert check.conversation.expect_regex.pattern == "a$|${b}|c$"


def test_variables_stand_for_check_names_types_and_includes_too(file: Any) -> None:
    file.write("checks: {web: {type: '${TYPE:-tcp}'}}\n", "checks.yaml")
    config = file.load("include: ['${DIR:-.}/checks.yaml']\n" + SHOP + "    check: ${CHECK:-web}\n")
    assert config.virtual_servers["shop"].real_servers[0].probes[0].check.name == "web"


def test_names_are_taken_as_they_are_written(file: Any) -> None:
    assert "is no name" in file.faults(SHOP.replace("shop", "'${PORT}'"))[0]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "/var/lib/healthlb"),
        ({"STATE_DIRECTORY": "/var/lib/private/one:/var/lib/two"}, "/var/lib/private/one"),
        ({"STATE_DIRECTORY": "relative"}, "/var/lib/healthlb"),
    ],
)
def test_state_is_kept_where_the_service_manager_says_unless_the_file_does(
    file: Any, environ: dict[str, str], expected: str
) -> None:
    assert load(file.write("virtual_servers: {}\n"), environ=environ).director.state_dir == expected
    own = file.write("director: {state_dir: /srv/healthlb}\nvirtual_servers: {}\n")
    assert load(own, environ=environ).director.state_dir == "/srv/healthlb"
