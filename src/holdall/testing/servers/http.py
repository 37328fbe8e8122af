"""nginx: a static HTTP server, and an S3-shaped stub that is never the bottleneck of a benchmark."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from holdall.testing.ground import LocalGround
from holdall.testing.servers.base import Server
from holdall.testing.servers.process import Process, free_port, launch, listens, program, wait_until

__all__ = ["Nginx", "NginxS3Stub", "Site"]

HINT = "apt-get install --no-install-recommends nginx-core"

CONF = """\
daemon off; worker_processes 1; pid {root}/nginx.pid; error_log stderr warn; {user}
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000; default_type application/octet-stream;
  client_body_temp_path {root}/tmp; proxy_temp_path {root}/tmp; fastcgi_temp_path {root}/tmp;
  uwsgi_temp_path {root}/tmp; scgi_temp_path {root}/tmp; client_max_body_size 0;
{body}
}}
"""

STATIC = """\
  merge_slashes off;
  types {{ text/plain txt; text/html html; application/json json; }}
  server {{
    listen 127.0.0.1:{port}; root {root}/files; etag on;
    location / {{ }}
    # for the errors that clients must tell from "not there"
    location /forbidden/ {{ return 403; }}
    location /broken/ {{ return 500; }}
    location /busy/ {{ add_header Retry-After 1 always; return 503; }}
    location /private/ {{ auth_basic "test"; auth_basic_user_file {root}/passwords; }}
    location /moved/ {{ rewrite ^/moved/(.*)$ /$1 redirect; }}
  }}
"""

# GET, HEAD and Range by sendfile, PUT by WebDAV, parts kept as files, canned XML for the rest; no authentication.
# Listings of PREFIX/ are the files /__list/PREFIX/first.xml, then /__list/PREFIX/TOKEN.xml, made beforehand; empty where there are none.
STUB = """\
  client_body_buffer_size 128k; open_file_cache max=10000 inactive=60s; open_file_cache_valid 60s; open_file_cache_errors off;
  map $request_method$is_args$args $act {{
    ~^POST\\?uploads begin;
    ~^POST\\?.*uploadId= complete;
    ~^PUT\\?.*partNumber= part;
    ~^GET\\?.*list-type=2 list;
    ~^DELETE\\?.*uploadId= abort;
    ~^POST\\?delete batch;
    default "";
  }}
  map $args $prefix {{ "~(^|&)prefix=(?<name>\\w+)(%2F|/)(&|$)" $name; default none; }}
  map $args $page {{ "~(^|&)continuation-token=(?<token>\\w+)" $token; default first; }}
  map $request_method $made {{ PUT '"$request_id"'; default ""; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024; root {root}/files; etag on;
    location / {{
      if ($act = begin) {{ add_header Content-Type application/xml; return 200 '<?xml version="1.0" encoding="UTF-8"?><InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>$request_id</UploadId></InitiateMultipartUploadResult>'; }}
      if ($act = complete) {{ return 200 '<?xml version="1.0" encoding="UTF-8"?><CompleteMultipartUploadResult><Location>l</Location><Bucket>b</Bucket><Key>k</Key><ETag>"$request_id"</ETag></CompleteMultipartUploadResult>'; }}
      if ($act = list) {{ rewrite ^ /__list/$prefix/$page.xml last; }}
      if ($act = abort) {{ return 204; }}
      if ($act = batch) {{ return 200 '<?xml version="1.0" encoding="UTF-8"?><DeleteResult></DeleteResult>'; }}
      if ($act = part) {{ rewrite ^/(.*)$ /__parts/$1.$arg_partNumber last; }}
      if ($made) {{ add_header ETag $made always; }}
      dav_methods PUT DELETE; create_full_put_path on;
    }}
    location /__list/ {{ default_type application/xml; types {{ }} try_files $uri @empty; }}
    location @empty {{ default_type application/xml; return 200 '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>b</Name><Prefix></Prefix><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>'; }}
    location /__parts/ {{ dav_methods PUT DELETE; create_full_put_path on; add_header ETag $made always; }}
  }}
"""

PAGE = 1000
LISTING = (
    '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
    "<Prefix>{prefix}</Prefix><KeyCount>{count}</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>{truncated}</IsTruncated>"
    "{more}{objects}</ListBucketResult>"
)
OBJECT = (
    "<Contents><Key>{key}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
    "<ETag>&quot;0123456789abcdef&quot;</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
)


def _serve(directory: Path, body: str, name: str) -> tuple[str, tuple[Process, ...]]:
    """Start nginx on a body of configuration; return its URL and process."""
    nginx = program("nginx", hint=HINT)
    port = free_port()
    for folder in ("files", "tmp"):
        (directory / folder).mkdir()
    user = "user root;" if os.geteuid() == 0 else ""
    conf = directory / "nginx.conf"
    conf.write_text(CONF.format(root=directory, user=user, body=body.format(root=directory, port=port)), encoding="utf-8")
    process = launch([nginx, "-e", "stderr", "-c", str(conf)], name=name, directory=directory)
    wait_until(lambda: listens(port), process, what="nginx")
    return f"http://127.0.0.1:{port}", (process,)


@dataclass(frozen=True, kw_only=True)
class Nginx(Server):
    """nginx with a directory of files.

    Attributes:
        url: Its root; `/private/` needs ``user`` and ``password``, `/forbidden/` is 403, `/broken/` 500, `/busy/` 503.
        files: The directory that it serves.
    """

    name: ClassVar[str] = "nginx"
    url: str
    files: str
    user: str = "user"
    password: str = "s3cret"  # noqa: S105  # of a throw-away server on loopback

    @classmethod
    def start(cls, directory: Path) -> Self:
        """Start it. See `Server.start`."""
        (directory / "passwords").write_text("user:{PLAIN}s3cret\n", encoding="utf-8")
        url, processes = _serve(directory, STATIC, cls.name)
        return cls(directory=str(directory), processes=processes, url=url, files=str(directory / "files"))

    @contextlib.contextmanager
    def site(self, below: str = "") -> Generator[Site]:
        """Make a directory of a new name, served at a URL of its own."""
        name = f"{below}{uuid.uuid4().hex[:16]}"
        root = Path(self.files) / name
        root.mkdir(parents=True)
        try:
            yield Site(url=f"{self.url}/{name}", root=str(root))
        finally:
            shutil.rmtree(root)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A directory for one test, and its URL."""

    url: str
    root: str

    @property
    def ground(self) -> LocalGround:
        """Raw access to it."""
        return LocalGround(self.root)


@dataclass(frozen=True, kw_only=True)
class NginxS3Stub(Server):
    """nginx answering in S3's shapes, 80,000 GETs a second: what a benchmark measures is the client.

    Bucket names are plain directories; batch deletes delete nothing; listings are what `set_listing` says, else empty.

    Attributes:
        endpoint: Its URL; credentials may be any.
        files: The directory of buckets, in memory where the machine has ``/dev/shm``.
    """

    name: ClassVar[str] = "nginx-s3-stub"
    endpoint: str
    files: str
    access_key: str = "test"
    secret_key: str = "testtest"  # noqa: S105
    region: str = "us-east-1"

    @classmethod
    def start(cls, directory: Path) -> Self:
        """Start it. See `Server.start`."""
        url, processes = _serve(directory, STUB, cls.name)
        (directory / "files" / "bench").mkdir()
        return cls(directory=str(directory), processes=processes, endpoint=url, files=str(directory / "files"))

    @classmethod
    def begin(cls) -> Self:
        """Start it in memory, where there is such a place. See `Server.begin`."""
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  # the place of files in memory
        directory = Path(tempfile.mkdtemp(prefix="holdall-nginx-", dir=place))
        try:
            return cls.start(directory)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise

    def set_listing(self, folder: str, sizes: Mapping[str, int]) -> None:
        """Say what a listing of everything below a folder answers, in pages of 1,000.

        Args:
            folder: One word: the listings are those with the prefix ``FOLDER/``.
            sizes: Keys, which need no escape in XML, and their sizes.
        """
        place = Path(self.files) / "__list" / folder
        place.mkdir(parents=True, exist_ok=True)
        keys = sorted(sizes)
        for start in range(0, len(keys), PAGE):
            page, rest = keys[start : start + PAGE], start + PAGE < len(keys)
            more = f"<NextContinuationToken>p{start + PAGE}</NextContinuationToken>" if rest else ""
            objects = "".join(OBJECT.format(key=key, size=sizes[key]) for key in page)
            text = LISTING.format(
                prefix=f"{folder}/", count=len(page), truncated=str(rest).lower(), more=more, objects=objects
            )
            (place / (f"p{start}.xml" if start else "first.xml")).write_text(text, encoding="utf-8")

    @property
    def options(self) -> dict[str, str]:
        """Obstore's names for what connects to this server."""
        return {
            "endpoint": self.endpoint,
            "access_key_id": self.access_key,
            "secret_access_key": self.secret_key,
            "region": self.region,
        }
