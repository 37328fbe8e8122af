"""Modes of `open`, as `open` takes them."""

import itertools

import pytest

from holdall.core.modes import OpenMode


def taken(mode, path):
    """Tell whether Python's own ``open`` takes a mode."""
    try:
        with open(path, mode):
            pass
    except ValueError:
        return False
    except OSError:
        return True
    return True


def test_the_same_modes_as_open(tmp_path):
    modes = {"".join(letters) for n in range(5) for letters in itertools.product("rwaxbt+", repeat=n)}
    for i, mode in enumerate(sorted(modes)):
        try:
            OpenMode.parse(mode)
            ours = True
        except ValueError:
            ours = False
        if len(mode) <= 3:
            assert ours == taken(mode, tmp_path / str(i)), mode


@pytest.mark.parametrize(
    ("mode", "act", "text", "plus", "writes", "shown"),
    [
        ("r", "r", True, False, False, "r"),
        ("rt", "r", True, False, False, "r"),
        ("b+r", "r", False, True, True, "rb+"),
        ("xb", "x", False, False, True, "xb"),
        ("a", "a", True, False, True, "a"),
        ("w+", "w", True, True, True, "w+"),
    ],
)
def test_parts_of_a_mode(mode, act, text, plus, writes, shown):
    parsed = OpenMode.parse(mode)
    assert (parsed.act, parsed.text, parsed.plus, parsed.writes, str(parsed)) == (act, text, plus, writes, shown)


def test_a_mode_is_a_str():
    with pytest.raises(TypeError):
        OpenMode.parse(b"r")


NOTHING = {"encoding": None, "errors": None, "newline": None, "buffering": -1}


def test_arguments_of_the_other_kind():
    OpenMode.parse("r").check_text(encoding="utf-8", errors="strict", newline="\n", buffering=-1)
    OpenMode.parse("rb").check_text(**{**NOTHING, "buffering": 0})
    for mode, bad in (
        ("r", {"buffering": 0}),
        ("r", {"newline": "x"}),
        ("rb", {"encoding": "utf-8"}),
        ("rb", {"errors": "strict"}),
        ("rb", {"newline": ""}),
    ):
        with pytest.raises(ValueError):
            OpenMode.parse(mode).check_text(**{**NOTHING, **bad})
