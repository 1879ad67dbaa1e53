"""What ipvsadm(8) says of a table, and what it should say of one: the lines of `ipvsadm -Sn`."""

import subprocess

from healthlb.model.endpoint import Endpoint
from healthlb.model.table import Destination, IpvsTable, Service, ServiceKey

OPTIONS = {"tcp": "-t", "udp": "-u", "sctp": "--sctp-service"}
FLAG_NAMES = {
    "sh": {"flag-1": "sh-fallback", "flag-2": "sh-port"},
    "mh": {"flag-1": "mh-fallback", "flag-2": "mh-port"},
}


def saved() -> list[str]:
    """Return the lines of `ipvsadm -Sn`, sorted."""
    done = subprocess.run(["ipvsadm", "-Sn"], check=True, capture_output=True, text=True, timeout=60)
    return sorted(done.stdout.splitlines())


def restore(lines: list[str]) -> None:
    """Carry out lines as `ipvsadm -R` does."""
    subprocess.run(["ipvsadm", "-R"], check=True, input="\n".join(lines) + "\n", text=True, timeout=60)


def lines_of(table: IpvsTable) -> list[str]:
    """Return what `ipvsadm -Sn` prints of a table, sorted. It leaves thresholds out, and flag-3 of sh and mh."""
    lines = []
    for row in table.services.values():
        lines.append(_service_line(row.service))
        lines += [_destination_line(row.service.key, each) for each in row.destinations.values()]
    return sorted(lines)


def _service_line(service: Service) -> str:
    words = ["-A", *_name(service.key), "-s", service.scheduler]
    if service.persistence is not None:
        words += ["-p", str(service.persistence.timeout)]
        prefix = service.persistence.prefix
        if service.key.family == "inet6" and prefix != 128:
            words += ["-M", str(prefix)]
        if service.key.family == "inet" and prefix != 32:
            mask = (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF
            words += ["-M", ".".join(str(octet) for octet in mask.to_bytes(4, "big"))]
        if service.persistence.engine:
            words += ["--pe", service.persistence.engine]
    if service.one_packet:
        words.append("-o")
    names = FLAG_NAMES.get(service.scheduler, {flag: flag for flag in ("flag-1", "flag-2", "flag-3")})
    flags = [names[flag] for flag in sorted(service.scheduler_flags) if flag in names]
    if service.scheduler_flags:
        # Where flag-3 of sh or mh is alone, the option is printed without a word.
        words += ["-b", ",".join(flags)]
    return " ".join(words)


def _destination_line(key: ServiceKey, destination: Destination) -> str:
    words = ["-a", *_name(key), "-r", str(destination.address)]
    words += [{"nat": "-m", "dr": "-g", "tunnel": "-i"}[destination.method.kind], "-w", str(destination.weight)]
    tunnel = destination.method.tunnel
    if tunnel is not None:
        words += ["--tun-type", tunnel.type]
        if tunnel.type == "gue":
            words += ["--tun-port", str(tunnel.port)]
        if tunnel.type != "ipip":
            words.append({"none": "--tun-nocsum", "csum": "--tun-csum", "remcsum": "--tun-remcsum"}[tunnel.checksum])
    return " ".join(words)


def _name(key: ServiceKey) -> list[str]:
    if key.protocol == "fwmark":
        # It prints marks with a sign.
        mark = key.fwmark - (key.fwmark >> 31 << 32)
        return ["-f", str(mark), *(["-6"] if key.family == "inet6" else [])]
    return [OPTIONS[key.protocol], str(Endpoint(key.address, key.port))]
