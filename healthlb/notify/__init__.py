"""Telling people and programs: what is worth a message, what it says, and how it gets there in spite of the receiver.

`grouping` decides, `message`, `bodies` and `keepalived` word, `outbox` keeps at it, and each way out has its file.
"""
