"""Why there is no connection, in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.core.unreached import refused_certificate, unreached


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('error: "failed to lookup address information: Name or service not known"', "the name of the server is not known"),
        ("Failed to resolve 'h' ([Errno -2] Name or service not known)", "the name of the server is not known"),
        ("[Errno -3] Temporary failure in name resolution", "the name of the server is not known"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "the server speaks no TLS here (http instead of https?)"),
        ('Os { code: 113, kind: HostUnreachable, message: "No route to host", }', "no route to host"),
    ],
)  # fmt: skip
def test_words(text, said):
    assert unreached(text) == f"no connection: {said}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hostname '127.0.0.1' doesn't match 'other.example'", "it is for another name"),
        ("[SSL] certificate verify failed: self-signed certificate (_ssl.c:1006)", "self-signed certificate"),
        ("InvalidCertificate(\n Other(\n OtherError(\n CaUsedAsEndEntity,", "it is an authority's, not a server's"),
        ("InvalidCertificate(\n ExpiredContext {\n time: 1", "it has expired"),
        ("InvalidCertificate(\n Strange,", "Strange"),
        ("[Errno 111] Connection refused", None),
    ],
)
def test_certificates(text, said):
    assert refused_certificate(text) == said


def test_nothing_is_known():
    assert unreached("?") == "no connection"


@given(st.text(max_size=200))
def test_any_text_is_one_line(text):
    assert unreached(text).startswith("no connection")
    assert "\n" not in unreached(text)
