"""JSON in steps: what comes out is what one call makes of it, however short the steps are."""

import base64
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from holdall.records import CorruptRecordError, lengthy
from holdall.records.encoding import decode_body
from holdall.records.lengthy_reading import loads

TEXTS = st.text(st.sampled_from('ab"\\\n\0[]{},:\u00e9\u4e2d\U0001f600\ud83d\ude00'), max_size=40) | st.text(max_size=8)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=8) | st.dictionaries(TEXTS, inner, max_size=8), max_leaves=60
)
STEPS = st.integers(1, 60)
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
"""The machine may be busy."""
STYLES = st.sampled_from([
    {"separators": (",", ":")},
    {},
    {"indent": 2},
    {"separators": (" ,\r\n\t", " :  "), "ensure_ascii": False},
    {"separators": (",", ":"), "ensure_ascii": False},
])  # fmt: skip


def outcome(call):
    """What a call returned, told apart by type and order too; or that it is no JSON."""
    try:
        return repr(call())
    except ValueError:
        return "no JSON"


def steps_and_once(text, step):
    """What comes of a text in steps, and at once."""
    return outcome(lambda: loads(text, step)), outcome(lambda: json.loads(text))


@given(VALUES, STYLES, STEPS)
@settings(max_examples=250, deadline=None, suppress_health_check=SLOW)
def test_valid_json(value, style, step):
    text = json.dumps(value, **style)
    in_steps, at_once = steps_and_once(text, step)
    assert in_steps == at_once
    in_steps, at_once = steps_and_once(text.encode("utf-8", "surrogatepass"), step)
    assert in_steps == at_once


@given(VALUES, STYLES, STEPS, st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=SLOW)
def test_damaged_json(value, style, step, data):
    """Cut off, a part left out, put in twice, or overwritten."""
    text = json.dumps(value, **style)
    begin, end = sorted((data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))))
    put = data.draw(st.sampled_from(["", text[begin:end] * 2]) | st.text('[]{}",:\\u0dD8 \ufeff1e.-', max_size=6))
    damaged = text[:begin] + put + text[end:]
    assert len(set(steps_and_once(damaged, step))) == 1
    noise = data.draw(st.binary(max_size=3))
    octets = (text[:begin] + put).encode("utf-8", "surrogatepass") + noise + text[end:].encode("utf-8", "surrogatepass")
    assert len(set(steps_and_once(octets, step))) == 1


PIECES = st.lists(
    st.sampled_from(['{"a":', '"a":', '"b" : ', "[", "]", "{", "}", ",", "1", "-", "1e400", "NaN", '"x"', '""', " ", '"\\ud83d\\ude00"', "null", "\\", '"']),
    max_size=30,
)  # fmt: skip


@given(PIECES.map("".join), STEPS)
@settings(max_examples=500, deadline=None, suppress_health_check=SLOW)
def test_anything_like_json(text, step):
    assert len(set(steps_and_once(text, step))) == 1
    assert len(set(steps_and_once(text.encode(), step))) == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b": [1, 2, 3], "a": {"a": [4, 5, 6], "a": 7}, "b": 8}',
        "[1e400, -1e400, NaN, Infinity, -Infinity, 123456789012345678901234567890, -0.0, 1E5]",
        f"[{'9' * 4301}]",
        f"[0.{'9' * 9000}, 1]",
        '["' + "\\ud83d\\ude00" * 40 + '"]',
        '["' + "\\ud83d" * 20 + "\\ude00" * 20 + '", "\\\\ud83d\\\\ude00"]',
        '{"' + "name" * 40 + '": 1, "' + "n" * 200 + '": "' + "v" * 200 + '"}',
        " " * 300 + "[" + " " * 300 + "]" + " " * 300,
        " " * 300,
        "[" * 300 + "]" * 300,
        "[" * 300 + "]" * 299,
        '{"a":' * 200 + "1" + "}" * 200,
        '{"k":-[1,2,3,4,5,6,7,8,9,10,11]}',
        '{"k":"a""' + "x" * 100 + '"}',
        '[["' + "x" * 100 + '"}]',
        "[1,2,3,4,5,6,7,8,9,10,11,12],",
        '{"a":[1,2,3,4,5,6,7,8,9,10,11],}',
        "\ufeff[1,2,3,4,5,6,7,8,9,10,11,12]",
    ],
)
@pytest.mark.parametrize("step", [1, 2, 3, 7, 20, 50])
def test_odd_json(text, step):
    in_steps, at_once = steps_and_once(text, step)
    assert in_steps == at_once
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32-le"):
        in_steps, at_once = steps_and_once(text.encode(encoding), step)
        assert in_steps == at_once


def test_nesting_has_an_end():
    for text in ("[" * 200_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000):
        with pytest.raises((RecursionError, ValueError)):
            loads(text)


@given(VALUES, STEPS)
@settings(max_examples=250, deadline=None, suppress_health_check=SLOW)
@example({"a": "x" * 100, "b" * 100: ["y" * 100, [], {}]}, 10)
def test_writing(value, step):
    for ordered in (False, True):
        once = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=ordered)
        assert lengthy.compact(value, step, ordered=ordered) == once


@given(VALUES)
@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
def test_what_is_let_go_of_is_empty(value):
    holder = {"value": value, "many": [[n, {"n": [n]}] for n in range(600)], "numbers": [*range(1000)]}
    inner = [each for each in (value, *holder["many"]) if isinstance(each, (list, dict))]
    lengthy.let_go(holder)
    assert [holder, *inner] == [{}, *(type(each)() for each in inner)]


def test_texts():
    text = "\u00e9\U0001f600x" * lengthy.STEP
    assert lengthy.binary(text) == text.encode()
    assert lengthy.text(text.encode()) == text
    for at in range(4):
        assert lengthy.text(b"-" * at + text.encode()) == "-" * at + text, "wherever a step cuts a character"
    for broken in (text.encode()[:-2], text.encode() + b"\xff", b"\xff" + text.encode()):
        with pytest.raises(UnicodeDecodeError):
            lengthy.text(broken)
    assert lengthy.contains(text, "x\u00e9")
    assert not lengthy.contains(text, "xx")


@pytest.mark.parametrize("size", [0, 1, 60_000, 3 * lengthy.STEP // 4 * 2, 3 * lengthy.STEP // 4 * 2 + 1, 300_001])
def test_base64(size):
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    for given_as in (bytes, bytearray, memoryview):
        assert lengthy.base64(given_as(data)) == base64.b64encode(data).decode()
    assert lengthy.unbase64(lengthy.base64(data)) == data


@pytest.mark.parametrize("at", [3, lengthy.STEP - 1, lengthy.STEP, 2 * lengthy.STEP - 2])
@pytest.mark.parametrize("put", ["=", "==", "\n", "\u00e9", "!", "A"])
def test_broken_base64(at, put):
    text = "A" * 4 * lengthy.STEP
    with pytest.raises(ValueError):
        base64.b64decode(text[:at] + put + text[at:], validate=True)
    with pytest.raises(ValueError):
        lengthy.unbase64(text[:at] + put + text[at:])


@pytest.mark.parametrize("depth", [5_000, 100_000])
def test_a_body_that_is_nested_too_deep_is_corrupt(depth):
    times = '"created":"2024-01-01T00:00:00+00:00","updated":"2024-01-01T00:00:00+00:00"'
    body = f'{{"holdall":1,"id":"a",{times},"write":"x","fields":{{"n":{"[" * depth}{"]" * depth}}},"metadata":{{}}}}'
    with pytest.raises(CorruptRecordError):
        decode_body(body.encode(), id="a")
