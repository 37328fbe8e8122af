"""The verbs of `holdall.records.Database` in both colours, a module for each kind: they check arguments and ask an engine."""

from __future__ import annotations
