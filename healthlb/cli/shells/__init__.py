"""What makes each shell complete healthlb's command line: its verbs and options as text, its names asked for live."""

GLOBAL = (("--help", "show what there is, and exit"), ("--version", "show the version, and exit"))
"""The options that stand before a verb, and what they are for."""
