"""The error tree as a whole: every class comes back from another process as what it was."""

import copy
import importlib
import pickle
import pkgutil

import pytest

import holdall
from holdall.errors import HoldallError
from holdall.mounts import MountPathError


def _classes(base=HoldallError):
    return {base}.union(*(_classes(cls) for cls in base.__subclasses__()))


for _module in pkgutil.walk_packages(holdall.__path__, "holdall."):
    if _module.name.rpartition(".")[2] == "errors":
        importlib.import_module(_module.name)


_ours = sorted(
    (cls for cls in _classes() if cls.__module__.startswith("holdall") and cls.__module__.endswith("errors")), key=str
)


@pytest.mark.parametrize("cls", _ours, ids=lambda cls: cls.__name__)
def test_errors_pickle_and_copy(cls):
    error = cls("what happened", key="k", store="Store()")
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(same) is cls
        assert (str(same), same.key, same.store, same.kind) == (str(error), "k", "Store()", error.kind)
        assert getattr(same, "errno", None) == getattr(error, "errno", None)


def test_an_error_of_two_builtins_crosses_processes():
    same = pickle.loads(pickle.dumps(MountPathError("no directory")))
    assert isinstance(same, FileNotFoundError)
    assert isinstance(same, ValueError)
