"""Batches of deletions as text."""

from hypothesis import given
from hypothesis import strategies as st

from holdall.drivers.azurebatch import batch_of, verdicts_of


def answer(parts):
    lines = []
    for number, status, code in parts:
        lines += ["--b", "Content-Type: application/http", f"Content-ID: {number}", "", f"HTTP/1.1 {status} Said"]
        lines += [*([] if code is None else [f"x-ms-error-code: {code}"]), "x-ms-version: 2021-12-02", "", "<Error/>", ""]
    return "\r\n".join([*lines, "--b--", ""]).encode()


@given(
    st.dictionaries(
        st.integers(0, 255), st.tuples(st.sampled_from([202, 403, 404, 503]), st.sampled_from([None, "BlobNotFound"]))
    )
)
def test_each_verdict_is_found_by_its_number(verdicts):
    parts = [(number, status, code) for number, (status, code) in verdicts.items()]
    assert verdicts_of("multipart/mixed; boundary=b", answer(parts)) == verdicts


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])), st.binary())
def test_nonsense_is_no_verdict(content_type, body):
    assert verdicts_of(content_type, body) == {}


def test_a_refusal_of_the_whole_has_no_number():
    body = b"--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 400 One of the inputs\r\n\r\n--b--\r\n"
    assert verdicts_of("multipart/mixed; boundary=b", body) == {}


def test_a_batch_is_one_part_for_each():
    content_type, body = batch_of([("/c/a%20b", {"x-ms-date": "now"}), ("/c/d?sig=x", {})])
    boundary = content_type.partition("boundary=")[2].encode()
    assert body.count(b"--" + boundary + b"\r\n") == 2
    assert body.endswith(b"--" + boundary + b"--\r\n")
    assert b"Content-ID: 0\r\n\r\nDELETE /c/a%20b HTTP/1.1\r\nx-ms-date: now\r\nContent-Length: 0\r\n\r\n" in body
