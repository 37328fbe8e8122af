"""The examples in the docstrings of the core run."""

import doctest
import importlib
import pkgutil

import pytest

import holdall.core

MODULES = sorted(m.name for m in pkgutil.walk_packages(holdall.core.__path__, "holdall.core."))


def test_there_are_modules_to_look_at():
    assert {"holdall.core.keys", "holdall.core.urls", "holdall.core.config"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert failed == 0
