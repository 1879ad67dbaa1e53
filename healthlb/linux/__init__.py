"""Floor 2: every privileged call. The IPVS table over netlink, its stand-in in memory, and sysctls."""
