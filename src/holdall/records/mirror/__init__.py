"""The local index mirror of engine A: one SQLite file per database and user, only ever a cache of the storage."""

from __future__ import annotations
