"""What a module says it exports is there, sorted, without repeats; lazy packages resolve every name."""

import importlib
import pkgutil

import pytest

import holdall
from holdall.errors import HoldallError

# programs that run when imported, and modules whose libraries a bare installation lacks
PROGRAMS = {"holdall.testing.servers.ftp_main", "holdall.testing.servers.webdav_main", "holdall.testing.servers.leash"}
NAMES = sorted(
    info.name
    for info in pkgutil.walk_packages(holdall.__path__, "holdall.")
    if info.name not in PROGRAMS and not info.name.endswith("__main__")
)


@pytest.mark.parametrize("name", ["holdall", *NAMES])
def test_all_is_true(name):
    module = importlib.import_module(name)
    names = getattr(module, "__all__", None)
    if names is None:
        return
    assert names == sorted(names, key=_order), f"{name}.__all__ is not sorted"
    assert len(set(names)) == len(names)
    for exported in names:
        assert hasattr(module, exported), f"{name} has no {exported}"


@pytest.mark.parametrize("name", ["holdall", "holdall.testing"])
def test_lazy_names(name):
    module = importlib.import_module(name)
    homes = module._HOMES
    assert sorted({*homes, *(["__version__"] if name == "holdall" else [])}) == sorted(module.__all__)
    assert dir(module) == sorted(module.__all__)
    for exported, home in homes.items():
        value = getattr(module, exported)
        assert value is getattr(importlib.import_module(home), exported)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = module.nonsense


def test_every_error_is_exported():
    """The tree of errors has no hidden branch."""
    from holdall import errors

    def below(kind):
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    found = {kind.__name__ for kind in below(HoldallError) if kind.__module__ == "holdall.errors"}
    assert found | {"HoldallError"} == set(errors.__all__)


def _order(name):
    """Ruff's order: CONSTANTS, then Classes, then the rest."""
    if name.isupper():
        return 0, name
    return (1, name) if name[:1].isupper() else (2, name)
