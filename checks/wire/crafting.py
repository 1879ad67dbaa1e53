"""scapy, as checks use it: to craft what they send, once."""


def load_scapy() -> None:
    """Load scapy without the kernel's routes, which takes minutes where BGP has many.

    To be called before anything else of it is imported, in a thread.
    """
    from scapy.config import conf  # noqa: PLC0415  scapy takes its time

    conf.route_autoload = conf.route6_autoload = False
