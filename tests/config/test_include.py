"""`include` merges files."""

import hashlib
from typing import Any

SHOP = "  {name}:\n    address: 192.0.2.10:{port}\n    real_servers: [192.0.2.11]\n"


def shop(name: str, port: int) -> str:
    return SHOP.format(name=name, port=port)


def test_patterns_are_relative_to_the_including_file_and_read_in_order(file: Any) -> None:
    file.write("virtual_servers:\n" + shop("b", 82), "conf.d/b.yaml")
    file.write("virtual_servers:\n" + shop("a", 81) + "checks: {web: {type: tcp}}\n", "conf.d/a.yaml")
    file.write("not read", "conf.d/c.yml")
    main = "include: [conf.d/*.yaml, none/*.yaml]\nvirtual_servers:\n" + shop("main", 80) + "    check: web\n"
    config = file.load(main)
    assert list(config.virtual_servers) == ["main", "a", "b"]
    texts = [main.encode(), *((file.folder / "conf.d" / name).read_bytes() for name in ("a.yaml", "b.yaml"))]
    assert config.sha256 == hashlib.sha256(b"".join(texts)).hexdigest()


def test_sections_of_several_files_are_merged_key_by_key(file: Any) -> None:
    file.write("director: {resync: 5s}\n", "more.yaml")
    config = file.load("include: [more.yaml]\ndirector: {name: lb7}\nvirtual_servers: {}\n")
    assert (config.director.name, config.director.resync) == ("lb7", 5.0)


def test_a_fault_names_the_file_that_holds_it(file: Any) -> None:
    file.write("virtual_servers:\n" + shop("a", 70000), "conf.d/a.yaml")
    assert file.faults("include: [conf.d/a.yaml]\nvirtual_servers: {}\n") == [
        "conf.d/a.yaml:3:14: virtual_servers.a.address: port 70000 is out of range: 1 to 65535"
    ]


def test_the_same_key_in_two_files_is_a_fault_at_the_second(file: Any) -> None:
    file.write("director: {name: b}\nchecks: {web: {type: tcp}}\nvirtual_servers:\n" + shop("a", 81), "a.yaml")
    main = "include: [a.yaml]\ndirector: {name: a}\nchecks: {web: {type: tcp}}\nvirtual_servers:\n" + shop("a", 80)
    assert file.faults(main) == [
        f"a.yaml:1:12: director.name: is here twice; {file.path}:2 has it already",
        f"a.yaml:2:10: checks.web: is here twice; {file.path}:3 has it already",
        f"a.yaml:4:3: virtual_servers.a: is here twice; {file.path}:5 has it already",
    ]


def test_the_same_address_in_two_files_is_a_fault(file: Any) -> None:
    file.write("virtual_servers:\n" + shop("b", 80), "a.yaml")
    assert file.faults("include: [a.yaml]\nvirtual_servers:\n" + shop("a", 80)) == [
        f"a.yaml:3:14: virtual_servers.b: tcp 192.0.2.10:80 is the virtual server a already ({file.path}:4)"
    ]


def test_a_literal_path_without_a_file_is_a_fault(file: Any) -> None:
    assert file.faults("include: [a.yaml]\nvirtual_servers: {}\n") == [
        f"healthlb.yaml:1:11: include[0]: {file.folder}/a.yaml: there is no such file"
    ]


def test_files_that_include_one_another_are_a_fault(file: Any) -> None:
    file.write("include: [../healthlb.yaml]\n", "conf.d/a.yaml")
    assert file.faults("include: [conf.d/a.yaml]\nvirtual_servers: {}\n") == [
        f"conf.d/a.yaml:1:11: include[0]: {file.folder}/conf.d/../healthlb.yaml includes itself"
    ]


def test_a_file_that_includes_itself_through_a_link_is_a_fault(file: Any) -> None:
    (file.folder / "link.yaml").symlink_to("healthlb.yaml")
    assert file.faults("include: [link.yaml]\nvirtual_servers: {}\n") == [
        f"healthlb.yaml:1:11: include[0]: {file.folder}/link.yaml includes itself"
    ]


def test_a_file_included_twice_is_one_fault(file: Any) -> None:
    file.write("director: {name: b}\n", "a.yaml")
    assert file.faults("include: [a.yaml, '*a.yaml']\nvirtual_servers: {}\n") == [
        f"healthlb.yaml:1:19: include[1]: {file.folder}/a.yaml is included twice"
    ]


def test_an_empty_included_file_is_a_fault_too(file: Any) -> None:
    file.write("# to come\n", "a.yaml")
    assert file.faults("include: [a.yaml]\nvirtual_servers: {}\n") == [
        "a.yaml:1:1: the file is empty: it needs at least virtual_servers"
    ]


def test_a_long_chain_of_includes_ends(file: Any) -> None:
    for number in range(40):
        file.write(f"include: [{number + 1}.yaml]\n", f"{number}.yaml")
    assert file.faults("include: [0.yaml]\nvirtual_servers: {}\n") == [
        "15.yaml:1:11: include[0]: includes are nested deeper than 16 files"
    ]


def test_more_than_a_thousand_files_are_refused(file: Any) -> None:
    for number in range(1000):
        file.write("director: {}\n", f"conf.d/{number}.yaml")
    assert file.faults("include: [conf.d/*.yaml]\nvirtual_servers: {}\n") == [
        "healthlb.yaml:1:11: include[0]: more than 1000 files"
    ]
