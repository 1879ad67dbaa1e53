"""VRRP without a clock or a socket: RFC 9568 (version 3) and RFC 3768 (version 2), whose "Active" is MASTER here."""
