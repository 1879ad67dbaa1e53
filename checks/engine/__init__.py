"""Carries conversations over sockets: batched connects, TLS, one deadline for a whole probe."""
