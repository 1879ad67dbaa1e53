"""What several checks, or a check and its carrier, share: a peer's bytes, words for an operator, secrets, programs."""
