"""FTP over TLS on a real server: sessions resumed where the server demands it, certificates, what must not be shown."""

import contextlib
import ftplib
import io
import traceback

import pytest
from tests.file_servers import serving

from holdall.drivers.ftp import FTPStore
from holdall.errors import HoldallError, NotFoundError, PermissionDeniedError
from holdall.testing import Colour


@pytest.fixture(scope="module", params=["ftps-strict", "ftps-implicit"])
def served(request):
    """Explicit TLS on a server that takes data connections only of the session that it knows, and implicit TLS."""
    with serving(request.param) as served:
        yield served


def test_data_connections_resume_the_session(served, colour: Colour):
    """The server drops those that do not, as vsftpd and ProFTPD do by default."""
    if served.kind == "ftps-strict":
        server = served.server
        plain = ftplib.FTP_TLS(context=server.ssl_context(), timeout=30)  # it begins a session for each connection
        with contextlib.closing(plain):
            plain.connect(server.host, server.port)
            plain.login(server.user, server.password)
            plain.prot_p()
            with pytest.raises((OSError, ftplib.Error, EOFError)):
                plain.storbinary("STOR /stray", io.BytesIO(b"x"))
                plain.voidcmd("NOOP")
    with served.store("sub") as store:
        verbs = colour(store)
        data = bytes(range(256)) * 10_000
        for _ in range(3):
            verbs.put("a/k", data)
            with verbs.get("a/k") as got:
                assert got.bytes() == data
        assert [meta.key for page in verbs.list() for meta in page.objects] == ["a/k"]
        verbs.delete("a/k")


def test_a_certificate_that_nobody_vouches_for(served, colour: Colour):
    for options in ({"ca_file": None}, {"ca_file": None, "verify": True}):
        with served.store(**options) as store, pytest.raises(HoldallError) as caught:
            colour(store).get("k")
        assert caught.value.kind == "certificate"
        assert served.secret not in "".join(traceback.format_exception(caught.value))
    with served.store(ca_file=None, verify=False) as store, pytest.raises(NotFoundError):
        colour(store).get("k")


def test_a_login_in_the_open_is_refused(served, colour: Colour):
    """A server that demands TLS gets no password without it."""
    if served.kind != "ftps-strict":
        return
    server = served.server
    with FTPStore(server.host, port=server.port, username=server.user, password=server.password) as store:
        with pytest.raises(PermissionDeniedError) as caught:
            colour(store).get("k")
        assert server.password not in "".join(traceback.format_exception(caught.value))
