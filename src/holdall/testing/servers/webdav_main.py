"""A WebDAV server by wsgidav on cheroot: ``python webdav_main.py PORT DIRECTORY USER PASSWORD``."""

from __future__ import annotations

import sys

from cheroot.wsgi import Server
from wsgidav.wsgidav_app import WsgiDAVApp


def main(arguments: list[str]) -> None:
    """Serve until ended."""
    port, directory, user, password = arguments
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/": directory},
            "simple_dc": {"user_mapping": {"*": {user: {"password": password}}}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
            "verbose": 1,
            "logging": {"enable": False},
            "property_manager": True,
            "lock_storage": True,
        }
    )
    server = Server(("127.0.0.1", int(port)), app, numthreads=16)
    server.start()


if __name__ == "__main__":
    main(sys.argv[1:])
