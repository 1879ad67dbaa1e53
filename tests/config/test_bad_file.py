"""A file that is none: each reason is one clear sentence with its place."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

POOL = "    real_servers: [192.0.2.11]\n"
SHOP = f"virtual_servers:\n  shop:\n    address: 192.0.2.10:80\n{POOL}"


def test_a_missing_file_says_so(file: Any) -> None:
    assert file.faults() == ["healthlb.yaml: there is no such file"]


def test_a_directory_in_the_place_of_a_file_says_so(file: Any) -> None:
    Path(file.path).mkdir()
    assert file.faults() == ["healthlb.yaml: is a directory; name the file in it"]


def test_a_fifo_is_not_waited_for(file: Any) -> None:
    os.mkfifo(file.path)
    assert file.faults() == ["healthlb.yaml: is not a regular file"]


def test_a_socket_says_so(file: Any) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(file.path)
        assert file.faults() == ["healthlb.yaml: cannot be read: No such device or address"]


def test_a_file_behind_a_file_cannot_be_read(file: Any, new_file: Any) -> None:
    file.write("a: b\n", "healthlb.yaml")
    file.write("include: [healthlb.yaml/x.yaml]\n", "main.yaml")
    assert file.faults("include: [main.yaml/x.yaml]\n" + SHOP) == [
        f"healthlb.yaml:1:11: include[0]: {file.folder}/main.yaml/x.yaml: cannot be read: Not a directory"
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing but this\n", "---\n", "null\n", "~"])
def test_an_empty_file_says_so(file: Any, text: str) -> None:
    assert file.faults(text) == ["healthlb.yaml:1:1: the file is empty: it needs at least virtual_servers"]


def test_a_huge_file_is_refused_without_being_read(file: Any) -> None:
    with Path(file.path).open("wb") as handle:
        handle.truncate(1 << 40)
    assert file.faults() == ["healthlb.yaml: is larger than 16 MiB, so it is surely not the file that was meant"]


def test_a_byte_that_is_not_utf_8_is_told_with_its_place_and_offset(file: Any) -> None:
    assert file.faults(b"director:\n  name: \xc3\xa4\xff\n") == [
        "healthlb.yaml:2:10: the byte 0xff at offset 20 is not UTF-8; save the file as UTF-8"
    ]


def test_a_cut_character_at_the_files_end_is_told(file: Any) -> None:
    assert file.faults(b"a: \xe2\x82") == [
        "healthlb.yaml:1:4: the byte 0xe2 at offset 3 is not UTF-8; save the file as UTF-8"
    ]


def test_a_bad_byte_across_the_edge_of_a_piece_has_the_right_place(file: Any) -> None:
    text = b"#" * (2**18 - 2) + b"\n" + b"\xe2\x82\x28"
    assert file.faults(text) == [
        f"healthlb.yaml:2:1: the byte 0xe2 at offset {2**18 - 1} is not UTF-8; save the file as UTF-8"
    ]


def test_utf_16_is_told_by_its_name(file: Any) -> None:
    assert file.faults("a: b\n".encode("utf-16")) == ["healthlb.yaml:1:1: the file is UTF-16; save it as UTF-8"]


@pytest.mark.parametrize(("character", "name"), [("\0", "U+0000"), ("\x1b", "U+001B"), ("\x9b", "U+009B")])
def test_a_control_character_is_told_with_its_place(file: Any, character: str, name: str) -> None:
    assert file.faults(f"director:\n  na{character}me: x\n") == [
        f"healthlb.yaml:2:5: the control character {name} has no place in the file"
    ]


def test_a_byte_order_mark_is_no_fault(file: Any) -> None:
    assert list(file.load(b"\xef\xbb\xbf" + SHOP.encode()).virtual_servers) == ["shop"]


def test_windows_line_ends_are_no_fault(file: Any) -> None:
    assert list(file.load(SHOP.replace("\n", "\r\n").encode()).virtual_servers) == ["shop"]


@pytest.mark.parametrize(
    ("text", "found"), [("- a\n", "a list"), ("shop\n", "'shop'"), ("12\n", "the number 12"), ("yes\n", "'yes'")]
)
def test_a_root_that_is_no_mapping_is_told(file: Any, text: str, found: str) -> None:
    assert file.faults(text) == [f"healthlb.yaml:1:1: expected sections such as virtual_servers:, found {found}"]


def test_a_file_without_virtual_servers_is_refused_so_that_a_truncated_one_removes_nothing(file: Any) -> None:
    assert file.faults("director: {name: a}\n") == [
        "healthlb.yaml:1:1: virtual_servers: is missing; for none at all write virtual_servers: {}"
    ]
    assert file.load("virtual_servers: {}\n").virtual_servers == {}
