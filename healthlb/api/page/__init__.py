"""The page at /: what on-call sees, drawn on the server first and kept true by a stream of differences."""
