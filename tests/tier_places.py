"""A place of its own on each kind of storage, as a URL, with a proxy in front and a way to look past the code under test."""

import contextlib
from pathlib import Path
from urllib.parse import quote

import pytest

from holdall.testing import FaultProxy
from holdall.testing.ground import LocalGround

OBJECTS = {"s3", "localstack", "azure"}
KINDS = ["file", "ftp", "ftps", "sftp", "s3", "azure"]
SERVERS = {
    "ftp": "ftpd_folder", "ftps": "ftpd_implicit_folder", "sftp": "sshd_folder", "s3": "moto_bucket",
    "localstack": "localstack_bucket", "azure": "azurite_container", "webdav": "webdav_folder", "smb": "samba_folder",
}  # fmt: skip


class Below:
    """A part of a bucket or container."""

    def __init__(self, ground, prefix):
        self.ground, self.prefix = ground, prefix

    def write(self, key, data):
        self.ground.write(self.prefix + key, data)

    def read(self, key):
        return self.ground.read(self.prefix + key)

    def everything(self):
        return {key.removeprefix(self.prefix) for key in self.ground.everything() if key.startswith(self.prefix)}

    def unfinished(self):
        return self.ground.unfinished()


class TierPlace:
    """One place: ``url()`` leads through ``proxy``, which is ``None`` for local files."""

    def __init__(self, kind, folder, proxy, ground):
        self.kind, self.folder, self.proxy, self.ground = kind, folder, proxy, ground

    def url(self, name="place", **more):
        """Return its URL, with further parameters."""
        query = {"name": name, **more}
        if self.kind == "file":
            address = f"file://{self.folder}"
        elif self.kind in OBJECTS:
            server, host = self.folder.server, f"127.0.0.1:{self.proxy.port}"
            if self.kind != "azure":
                user = f"{quote(server.access_key, safe='')}:{quote(server.secret_key, safe='')}"
                address = f"s3://{user}@{host}/{self.folder.name}/base/nested"
                query |= {"use_ssl": "false", "aws_region": server.region}
            else:
                address = f"azure://{host}/{server.account}/{self.folder.name}/base/nested"
                query |= {"use_ssl": "false"}
                query.setdefault("access_key", server.key)
        else:
            server = self.folder.server
            user = f"{server.user}:{quote(server.password, safe='')}" if server.password else server.user
            share = f"/{server.share}" if self.kind == "smb" else ""
            folder = f"{share}/{self.folder.path.lstrip('/')}/base/nested"
            address = f"{self.kind}://{user}@127.0.0.1:{self.proxy.port}{folder}"
            if self.kind == "sftp":
                query |= {"private_key": server.client_key, "validate_host": "false"}  # known by its own port only
            if self.kind == "ftps":
                query |= {"tls": "implicit", "ca_file": server.certificate}
        return address + "?" + "&".join(f"{key}={value}" for key, value in query.items() if value is not None)

    def progress(self):
        """Return a function that tells how many bytes of the next write have come: of its temporary, or through the proxy."""
        if self.kind in OBJECTS:
            before = self.proxy.traffic.bytes_up
            return lambda: self.proxy.traffic.bytes_up - before
        known = set(self._temporaries())

        def largest():
            sizes = [0]
            for path in set(self._temporaries()) - known:
                with contextlib.suppress(FileNotFoundError):
                    sizes.append(path.stat().st_size)
            return max(sizes)

        return largest

    def _temporaries(self):
        return Path(self.ground.root).glob(".holdall-*")


@contextlib.contextmanager
def tier_place(kind, request: pytest.FixtureRequest):
    """Make a place of a kind."""
    if kind == "file":
        base = request.getfixturevalue("tmp_path") / "base" / "nested"
        base.mkdir(parents=True)
        yield TierPlace(kind, base, None, LocalGround(base))
        return
    folder = request.getfixturevalue(SERVERS[kind])
    server = folder.server
    http = kind in OBJECTS or kind == "webdav"
    upstream = server.endpoint if kind in OBJECTS else (server.host, server.port)
    if kind in OBJECTS:
        ground = Below(folder.ground, "base/nested/")
    else:
        (Path(folder.root) / "base" / "nested").mkdir(parents=True)
        ground = LocalGround(Path(folder.root) / "base" / "nested")
    with FaultProxy(upstream, http=http) as proxy:
        yield TierPlace(kind, folder, proxy, ground)
