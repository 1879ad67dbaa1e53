"""What several conversations share: taking a peer's bytes apart, showing them to an operator, reading secrets."""
