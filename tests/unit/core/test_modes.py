"""Modes of `open`."""

import pytest

from holdall.core.modes import OpenMode


@pytest.mark.parametrize("mode", ["r", "rt", "rb", "wb+", "+ab", "xt", "w+t"])
def test_modes_of_the_builtin_are_read(mode):
    parsed = OpenMode.parse(mode)
    assert parsed.act in mode
    assert parsed.plus == ("+" in mode)
    assert parsed.text == ("b" not in mode)
    assert parsed.writes == (set(mode) != {"r"} and mode not in {"rt", "rb"})


@pytest.mark.parametrize("mode", ["", "b", "rw", "rr", "rbt", "q", "r+w", "++r", "R"])
def test_others_are_refused(mode):
    with pytest.raises(ValueError, match="invalid mode"):
        OpenMode.parse(mode)


def test_a_mode_is_text():
    with pytest.raises(TypeError):
        OpenMode.parse(b"r")


@pytest.mark.parametrize(("name", "value"), [("encoding", "utf-8"), ("errors", "strict"), ("newline", "")])
def test_bytes_take_no_text_arguments(name, value):
    arguments = {"encoding": None, "errors": None, "newline": None, "buffering": -1}
    with pytest.raises(ValueError, match=name):
        OpenMode.parse("rb").check_text(**{**arguments, name: value})
    OpenMode.parse("r").check_text(**{**arguments, name: value})


def test_text_is_buffered_and_knows_five_newlines():
    with pytest.raises(ValueError, match="unbuffered"):
        OpenMode.parse("r").check_text(encoding=None, errors=None, newline=None, buffering=0)
    with pytest.raises(ValueError, match="newline"):
        OpenMode.parse("r").check_text(encoding=None, errors=None, newline="x", buffering=-1)


def test_a_mode_shows_itself():
    assert [str(OpenMode.parse(mode)) for mode in ("rt", "br+", "w")] == ["r", "rb+", "w"]


@pytest.mark.parametrize(("name", "value"), [("encoding", "klingon"), ("errors", "hope")])
def test_what_no_codec_knows_is_told_before_anything_is_opened(name, value):
    arguments = {"encoding": "locale", "errors": None, "newline": None, "buffering": -1}
    OpenMode.parse("r").check_text(**arguments)
    with pytest.raises(LookupError, match=value):
        OpenMode.parse("w").check_text(**{**arguments, name: value})
