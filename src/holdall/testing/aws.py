"""`mock_aws`: a fresh, empty S3 that boto3, s3fs and obstore all reach by environment."""

from __future__ import annotations

import os
import sys
from contextlib import ContextDecorator
from types import TracebackType
from typing import Any, Self

from holdall.errors import MissingExtraError

__all__ = ["mock_aws"]

_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": None,
    "AWS_SECURITY_TOKEN": None,
    "AWS_PROFILE": None,
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": "",
    "AWS_ENDPOINT_URL_S3": None,
    "AWS_ENDPOINT": "",
    "AWS_ALLOW_HTTP": "true",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What is set meanwhile; ``None`` is unset, ``""`` becomes the server's address."""


class mock_aws(ContextDecorator):  # noqa: N801  # moto's name for it, which code that moves here has already
    """Run moto's server on a free loopback port and point boto3, s3fs and obstore at it; restore everything on exit.

    A context manager and a decorator (of blocking functions). The S3 is empty at the beginning. Clients made inside must be made
    inside: they read the environment when they are made. fsspec's cache of instances is cleared on both ends.

    Raises:
        MissingExtraError: moto is not installed.

    Example:
        >>> import boto3
        >>> with mock_aws() as aws:
        ...     client = boto3.client("s3")
        ...     _ = client.create_bucket(Bucket="bucket")
        ...     [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
        ['bucket']
    """

    def __init__(self) -> None:
        self._server: Any = None
        self._saved: dict[str, str | None] = {}

    def _recreate_cm(self) -> Self:
        return type(self)()  # a decorated function may be entered by many callers at once

    @property
    def endpoint(self) -> str:
        """The server's URL."""
        host, port = self._server.get_host_and_port()
        return f"http://{host}:{port}"

    def __enter__(self) -> Self:
        """Start the server and set the environment."""
        try:
            from moto.moto_api._internal.models import moto_api_backend
            from moto.server import ThreadedMotoServer
        except ImportError as error:
            raise MissingExtraError('mock_aws needs moto: pip install "holdall[testing]"') from error
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        moto_api_backend.reset()  # its state is one per process
        for name, value in _VARIABLES.items():
            self._saved[name] = os.environ.get(name)
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value or self.endpoint
        _forget_instances()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Restore the environment and end the server."""
        for name, value in self._saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._saved.clear()
        _forget_instances()
        server, self._server = self._server, None
        if server is not None:
            server.stop()


def _forget_instances() -> None:
    """Clear fsspec's cache of S3 filesystems, boto3's default session: both remember an environment."""
    s3fs: Any = sys.modules.get("s3fs")
    if s3fs is not None:
        s3fs.S3FileSystem.clear_instance_cache()
    boto3: Any = sys.modules.get("boto3")
    if boto3 is not None:
        boto3.DEFAULT_SESSION = None
