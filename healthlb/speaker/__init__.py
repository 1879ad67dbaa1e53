"""The process that speaks VRRP: the machines, their sockets and their addresses, and nothing else."""
