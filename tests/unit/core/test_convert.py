"""Text to values, and the name that was meant."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.core.convert import closest, to_bool, to_duration, to_float, to_int, to_size


@pytest.mark.parametrize("text", ["true", "1", "yes", "on", "TRUE", " On ", 1, True])
def test_words_for_true(text):
    assert to_bool(text) is True


@pytest.mark.parametrize("text", ["false", "0", "no", "off", "Off", 0, False])
def test_words_for_false(text):
    assert to_bool(text) is False


@pytest.mark.parametrize("text", ["maybe", "", "2", 2, None, 1.0, b"true", "ja"])
def test_no_words_for_either(text):
    with pytest.raises(ValueError):
        to_bool(text)


@given(st.integers(-(10**30), 10**30))
def test_whole_numbers(number):
    assert to_int(number) == to_int(str(number)) == to_int(f" {number} ") == number


@pytest.mark.parametrize("text", ["", "1.0", "1 0", "1_0", "٣", True, 1.0, None, "9" * 5000])
def test_no_whole_numbers(text):
    with pytest.raises(ValueError):
        to_int(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers(number):
    assert to_float(number) == to_float(repr(number)) == number


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", True, None, math.inf, 10**400])
def test_no_numbers(text):
    with pytest.raises(ValueError):
        to_float(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("2h", 7200), ("14d", 14 * 86400), ("1w", 7 * 86400), ("30", 30), (".5", 0.5),
     ("1.5 m", 90), (30, 30), (0.25, 0.25), (0, 0), ("5M", 300)],
)  # fmt: skip
def test_durations(text, seconds):
    assert to_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5 minutes", "-5s", "5x", -1, True, None, math.nan, math.inf, "9" * 400 + "d", "1e3"])
def test_no_durations(text):
    with pytest.raises(ValueError):
        to_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("64MiB", 64 * 2**20), ("1GB", 10**9), ("512", 512), (512, 512), ("1.5KiB", 1536), ("2 kb", 2000), ("0", 0), ("1TiB", 2**40),
     ("3b", 3), (".5KiB", 512), ("1.0", 1)],
)  # fmt: skip
def test_sizes(text, size):
    assert to_size(text) == size


@pytest.mark.parametrize("text", ["", "1.5", "-1", -1, True, None, 1.5, "5 sheep", "0.1KiB", "9" * 50])
def test_no_sizes(text):
    with pytest.raises(ValueError):
        to_size(text)


@given(st.text("abcdefgh", min_size=6, max_size=12), st.integers(0, 5), st.sampled_from("xyz"))
def test_a_slip_of_the_pen_is_recognised(name, place, letter):
    known = [name, "completely-else", "q"]
    assert closest(name, known) == name
    assert closest(name[:place] + letter + name[place + 1 :], known) == name
    assert closest(name[:place] + letter + name[place:], known) == name
    assert closest(name[:place] + name[place + 1 :], known) == name
    assert closest(name[:place] + name[place + 1] + name[place] + name[place + 2 :] if place < 5 else name, known) == name


@pytest.mark.parametrize(("name", "known"), [("x", []), ("zzz", ["path"]), ("", ["path"])])
def test_nothing_near(name, known):
    assert closest(name, known) is None


def test_case_and_joints_do_not_count():
    assert closest("Aws-Region", ["aws_region", "aws_regime"]) == "aws_region"
