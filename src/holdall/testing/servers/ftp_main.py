"""An FTP server by pyftpdlib: ``python ftp_main.py plain|explicit|implicit|strict PORT DIRECTORY USER PASSWORD PEM``."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Any

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import ThreadedFTPServer


def handler(mode: str, pem: str) -> Any:
    """Return the handler class of a mode."""
    if mode == "plain":
        return FTPHandler
    from OpenSSL import SSL
    from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler

    class Data(TLS_DTPHandler):  # type: ignore[misc]  # untyped
        """pyftpdlib drops a data connection without bytes before its handshake; clients wait for the handshake."""

        def close(self) -> None:
            if getattr(self, "_ssl_accepting", False) and not self._error:
                connection: Any = self.socket
                connection.setblocking(1)  # in its own thread: see ThreadedFTPServer
                with contextlib.suppress(Exception):
                    connection.do_handshake()
                    self._ssl_accepting, self._ssl_established = False, True
            super().close()

    class Resumed(Data):
        """Demands that data connections resume the session of the control connection, as vsftpd and ProFTPD do."""

        def handle_ssl_established(self) -> None:
            connection: Any = self.socket
            if not vars(SSL)["_lib"].SSL_session_reused(connection._ssl):  # pyOpenSSL has no method for it
                self._resp = ("522 SSL connection failed: session reuse required", logging.warning)
                self.close()
                return
            super().handle_ssl_established()

    class Explicit(TLS_FTPHandler):  # type: ignore[misc]  # untyped
        certfile = pem
        dtp_handler = Data
        tls_control_required = True
        tls_data_required = True

    class Implicit(Explicit):
        """The handshake comes first, then the greeting."""

        def handle(self) -> None:
            self._prot = True
            self.secure_connection(self.ssl_context)

        def handle_ssl_established(self) -> None:
            super().handle()

    class Strict(Explicit):
        dtp_handler = Resumed

    return {"explicit": Explicit, "implicit": Implicit, "strict": Strict}[mode]


def main(arguments: list[str]) -> None:
    """Serve until ended."""
    mode, port, directory, user, password, pem = arguments
    logging.basicConfig(level=logging.WARNING)
    authorizer = DummyAuthorizer()
    authorizer.add_user(user, password, directory, perm="elradfmwMT")
    chosen = handler(mode, pem)
    chosen.authorizer = authorizer
    chosen.use_sendfile = False
    chosen.auth_failed_timeout = 0  # it makes clients wait for three seconds
    server = ThreadedFTPServer(("127.0.0.1", int(port)), chosen)
    server.max_cons = 512
    server.max_cons_per_ip = 512
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
