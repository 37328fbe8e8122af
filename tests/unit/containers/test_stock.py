"""Archives that the package whose format we share has written: read to equal values, byte for byte; its pickles stay inert."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from holdall.containers import FormatError, LazyReader, ReadOptions, dumps, load, loads, to_obj

HERE = Path(__file__).parent / "stock"
DOCUMENTS = json.loads((HERE / "documents.json").read_text(encoding="utf-8"))
TREE, LIST = DOCUMENTS["tree"], DOCUMENTS["list"]
PLAIN = sorted(path.name for path in HERE.glob("*.lazy") if path.name.split("-")[0] in DOCUMENTS)
COMBINED = {
    "combined-named": {"a": TREE, "b": LIST},
    "combined-appended": {"a": TREE, "b": LIST},
    "combined-list": [TREE, LIST],
    "combined-nested": {"n": {"a": TREE, "b": LIST}, "b": LIST},
}


@pytest.mark.parametrize("name", PLAIN)
def test_a04_stock_archives_read_to_equal_values(name, colour):
    path = HERE / name
    expected = DOCUMENTS[name.split("-")[0]]
    with colour(LazyReader(path)) as reader:
        assert reader.to_obj() == expected
        assert b"".join(reader.raw()) == path.read_bytes()
        assert reader.verify().checksums == 0
        if isinstance(expected, list):
            assert [to_obj(item) for item in reader] == expected
            assert to_obj(reader.read([-5])) == expected[-5]
        elif expected == TREE:
            assert reader.read_many(["e/33/v", "f/-3/4", "b/d/10:200:7"]) == [
                TREE["e"]["33"]["v"], TREE["f"][-3][4], TREE["b"]["d"][10:200:7],
            ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(COMBINED))
def test_a04_stock_combinations_read_to_equal_values(name, colour):
    expected = COMBINED[name]
    with colour(LazyReader(HERE / f"{name}.lazy")) as reader:
        assert reader.to_obj() == expected
        assert reader.kind == f"combined {'list' if isinstance(expected, list) else 'map'}"
        inner = reader.child(0 if isinstance(expected, list) else "b")
        assert inner.to_obj() == (expected[0] if isinstance(expected, list) else expected["b"])
        assert loads(b"".join(inner.raw())) == inner.to_obj()
        assert reader.verify().archives > 2


def test_a23_a_stock_array_is_bytes_unless_asked_for():
    path = HERE / "array-pickled.lazy"
    assert isinstance(load(path)["a"], bytes)
    assert np.array_equal(load(path, options=ReadOptions(legacy_arrays=True))["a"], np.arange(12.0).reshape(3, 4))


class _Evil:
    def __reduce__(self):
        return os.mkdir, ("numpy._core.multiarray-was-here",)


def test_a23_a_malicious_pickle_is_inert(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evil = b"\x80\x02cnumpy._core.multiarray\n_reconstruct\n0" + pickle.dumps(_Evil())[2:]
    archive = dumps({"a": evil, "b": pickle.dumps(np.array([{}], dtype=object))})
    assert loads(archive)["a"] == evil
    with pytest.raises(FormatError, match="a pickle"):
        loads(archive, options=ReadOptions(legacy_arrays=True))
    assert not list(tmp_path.iterdir())
