"""healthlb keeps the kernel's IPVS table true to the health of the real servers."""

__version__ = "0.1.0"
