"""All that holdall says while a test runs, searched for all secrets that it was told meanwhile."""

import contextlib
import logging
import sys

from holdall.core.secrets import Secret
from holdall.errors import HoldallError
from holdall.tiers import FileStore

SHORTEST = 7
"""Shorter ones stand in many texts by chance."""


class Listening(logging.Handler):
    """Notes the records of the loggers of holdall, at every level."""

    def __init__(self, texts):
        super().__init__(logging.DEBUG)
        self.texts = texts

    def emit(self, record):
        self.texts.append(f"{record.getMessage()} {record.exc_info and record.exc_info[1]!r}")


@contextlib.contextmanager
def no_secret_told(monkeypatch):
    """Look at the end whether a secret stands in a record, in an error or its cause, or in how a file store shows itself."""
    texts, secrets = [], set()
    made, failed, left = Secret.__init__, HoldallError.__init__, FileStore.__exit__

    def make(self, value, **more):
        made(self, value, **more)
        secrets.add(value)

    def fail(self, *arguments, **more):
        failed(self, *arguments, **more)
        texts.append(f"{self} {self!r} {sys.exception()!r}")

    def leave(self, *failure):
        texts.append(f"{self!r} {self.store!r} {self.locations!r} {self.store.identity!r} {self.status()!r}")
        left(self, *failure)

    monkeypatch.setattr(Secret, "__init__", make)
    monkeypatch.setattr(HoldallError, "__init__", fail)
    monkeypatch.setattr(FileStore, "__exit__", leave)
    logger, listening = logging.getLogger("holdall"), Listening(texts)
    level = logger.level
    logger.addHandler(listening)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(listening)
        logger.setLevel(level)
    told = [text for text in texts for secret in secrets if len(secret) >= SHORTEST and secret in text]
    assert told == []
