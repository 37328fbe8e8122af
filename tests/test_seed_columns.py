"""The programs that people already have for files in columns, on fsspec backends, run unchanged but for their import lines.

Each block is kept as text, and all are executed in order in one namespace, against real servers: moto for S3, Azurite, OpenSSH, nginx.
Hosts, credentials and directories are placeholders in the text, and replaced. Google's filesystem is only built (``token="anon"``): no
emulator is asked. OpenSSH here takes keys, so that the block with a password logs in by key too.
"""

from __future__ import annotations

import asyncio
import base64
import sys
import types
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import fsspec
import msgspec
import pytest
import s3fs
from examples.columns.service import DocumentService
from litestar import Litestar
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.testing import AsyncTestClient
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from holdall import storages
from holdall.columns import FileObject, FSSpecBackend
from holdall.columns.litestar import HoldallPlugin
from holdall.columns.models import UUIDAuditBase
from holdall.errors import ConfigError
from holdall.testing.servers import Azurite, Moto, Nginx, Sshd

BACKEND_REGISTRATION = """\
from holdall import storages
from holdall.columns import FSSpecBackend

# Register backend
storages.register_backend(FSSpecBackend(
    key="local",
    fs="file",
    prefix="/var/app/uploads",
))
"""

USING_IN_MODELS = """\
from sqlalchemy.orm import Mapped, mapped_column
from holdall.columns.models import UUIDAuditBase
from holdall.columns import FileObject, StoredObject

class Document(UUIDAuditBase):
    __tablename__ = "documents"

    title: "Mapped[str]"
    file: "Mapped[Optional[FileObject]]" = mapped_column(
        StoredObject(backend="local")
    )
"""

BASIC_SETUP = """\
from holdall.columns import FSSpecBackend

storages.register_backend(FSSpecBackend(
    key="local",
    fs="file",
    prefix="/var/app/uploads",
))
"""

AUTO_CREATE_DIRECTORIES = """\
import fsspec

fs = fsspec.filesystem("file", auto_mkdir=True)

storages.register_backend(FSSpecBackend(
    key="local",
    fs=fs,
    prefix="/var/app/uploads",
))
"""

BASIC_CONFIGURATION = """\
import fsspec
from holdall.columns import FSSpecBackend

s3_fs = fsspec.filesystem(
    "s3",
    key="AWS_ACCESS_KEY_ID",
    secret="AWS_SECRET_ACCESS_KEY",
    endpoint_url="https://s3.amazonaws.com",
)

storages.register_backend(FSSpecBackend(
    key="s3-documents",
    fs=s3_fs,
    prefix="my-bucket/documents",
))
"""

IAM_ROLE_AUTHENTICATION = """\
# Use IAM role (EC2, ECS, Lambda)
s3_fs = fsspec.filesystem("s3")

storages.register_backend(FSSpecBackend(
    key="s3-documents",
    fs=s3_fs,
    prefix="my-bucket/documents",
))
"""

S3_COMPATIBLE_SERVICES = """\
# MinIO
minio_fs = fsspec.filesystem(
    "s3",
    key="minioadmin",
    secret="minioadmin",
    endpoint_url="http://localhost:9000",
    use_ssl=False,
)

storages.register_backend(FSSpecBackend(
    key="minio",
    fs=minio_fs,
    prefix="my-bucket",
))

# Cloudflare R2
r2_fs = fsspec.filesystem(
    "s3",
    key="R2_ACCESS_KEY_ID",
    secret="R2_SECRET_ACCESS_KEY",
    endpoint_url="https://account-id.r2.cloudflarestorage.com",
)

storages.register_backend(FSSpecBackend(
    key="r2",
    fs=r2_fs,
    prefix="my-bucket",
))
"""

SERVICE_ACCOUNT = """\
import fsspec
from holdall.columns import FSSpecBackend

gcs_fs = fsspec.filesystem(
    "gcs",
    token="/path/to/service-account.json",
    project="your-project-id",
)

storages.register_backend(FSSpecBackend(
    key="gcs-files",
    fs=gcs_fs,
    prefix="my-bucket/files",
))
"""

DEFAULT_CREDENTIALS = """\
# Use application default credentials
gcs_fs = fsspec.filesystem("gcs", token="google_default")

storages.register_backend(FSSpecBackend(
    key="gcs-files",
    fs=gcs_fs,
    prefix="my-bucket/files",
))
"""

CONNECTION_STRING = """\
import fsspec
from holdall.columns import FSSpecBackend

azure_fs = fsspec.filesystem(
    "abfs",
    connection_string="DefaultEndpointsProtocol=https;AccountName=...;AccountKey=...;EndpointSuffix=core.windows.net",
)

storages.register_backend(FSSpecBackend(
    key="azure-blobs",
    fs=azure_fs,
    prefix="container/files",
))
"""

ACCOUNT_KEY = """\
azure_fs = fsspec.filesystem(
    "abfs",
    account_name="mystorageaccount",
    account_key="account-key-here",
)

storages.register_backend(FSSpecBackend(
    key="azure-blobs",
    fs=azure_fs,
    prefix="container/files",
))
"""

PASSWORD_AUTHENTICATION = """\
import fsspec
from holdall.columns import FSSpecBackend

sftp_fs = fsspec.filesystem(
    "sftp",
    host="sftp.example.com",
    username="user",
    password="password",
)

storages.register_backend(FSSpecBackend(
    key="sftp-uploads",
    fs=sftp_fs,
    prefix="/remote/path",
))
"""

SSH_KEY_AUTHENTICATION = """\
sftp_fs = fsspec.filesystem(
    "sftp",
    host="sftp.example.com",
    username="user",
    client_keys=["/path/to/private_key"],
)

storages.register_backend(FSSpecBackend(
    key="sftp-uploads",
    fs=sftp_fs,
    prefix="/remote/path",
))
"""

PUBLIC_FILES = """\
import fsspec
from holdall.columns import FSSpecBackend

http_fs = fsspec.filesystem("http")

storages.register_backend(FSSpecBackend(
    key="cdn",
    fs=http_fs,
    prefix="https://cdn.example.com/files",
))
"""

AUTHENTICATED = """\
http_fs = fsspec.filesystem(
    "http",
    client_kwargs={"headers": {"Authorization": "Bearer token"}},
)

storages.register_backend(FSSpecBackend(
    key="api-storage",
    fs=http_fs,
    prefix="https://api.example.com/storage",
))
"""

CUSTOM_FSSPEC_OPTIONS = """\
import fsspec

# S3 with custom configuration
s3_fs = fsspec.filesystem(
    "s3",
    key="AWS_ACCESS_KEY_ID",
    secret="AWS_SECRET_ACCESS_KEY",
    config_kwargs={
        "max_pool_connections": 50,
        "connect_timeout": 60,
        "read_timeout": 60,
    },
    use_ssl=True,
    s3_additional_kwargs={
        "ServerSideEncryption": "AES256",
    },
)

storages.register_backend(FSSpecBackend(
    key="s3-encrypted",
    fs=s3_fs,
    prefix="my-bucket/encrypted",
))
"""

CACHING = """\
from holdall.drivers import fsspec

# Cache remote files locally
s3_fs = fsspec.filesystem(
    "s3",
    key="AWS_ACCESS_KEY_ID",
    secret="AWS_SECRET_ACCESS_KEY",
)

cached_fs = fsspec.filesystem(
    "filecache",
    target_protocol="s3",
    cache_storage="/tmp/fsspec_cache",
    fs=s3_fs,
)

storages.register_backend(FSSpecBackend(
    key="s3-cached",
    fs=cached_fs,
    prefix="my-bucket",
))
"""

UPLOAD_PATTERN = '''\
from litestar import post
from holdall.columns.litestar import UploadFile
from holdall.columns import FileObject

@post("/upload")
async def upload_file(
    data: UploadFile,
    service: "DocumentService",
) -> "Document":
    """Upload file to fsspec storage."""
    doc = await service.create(
        DocumentModel(
            title=data.filename or "untitled",
            file=FileObject(
                backend="s3-documents",
                filename=data.filename or "file",
                content_type=data.content_type,
                content=await data.read(),
            ),
        )
    )
    return service.to_schema(doc, schema_type=DocumentSchema)
'''

DOWNLOAD_PATTERN = '''\
from litestar import get
from holdall.columns.litestar import Stream

@get("/download/{document_id:uuid}")
async def download_file(
    document_id: UUID,
    service: "DocumentService",
) -> Stream:
    """Download file from fsspec storage."""
    doc = await service.get(document_id)

    if doc.file is None:
        raise NotFoundException("file not found")

    content = await doc.file.get_content_async()

    return Stream(
        content=content,
        media_type=doc.file.content_type or "application/octet-stream",
        headers={
            "Content-Disposition": f'attachment; filename="{doc.file.filename}"'
        },
    )
'''

IN_MEMORY_BACKEND = '''\
import pytest
from holdall import storages
from holdall.columns import FSSpecBackend

@pytest.fixture
def memory_storage():
    """Configure in-memory fsspec storage."""
    backend = FSSpecBackend(key="test", fs="memory")
    storages.register_backend(backend)
    yield backend
    storages._backends.pop("test", None)

async def test_file_upload(memory_storage):
    """Test file upload with in-memory fsspec."""
    from holdall.columns import FileObject

    file_obj = FileObject(
        backend="test",
        filename="test.txt",
        content=b"Test content",
    )

    await file_obj.save_async()
    content = await file_obj.get_content_async()
    assert content == b"Test content"
'''

MOCK_S3_MOTO = '''\
import pytest
from holdall.testing import mock_aws
import fsspec
from holdall.columns import FSSpecBackend

@pytest.fixture
def mock_s3():
    """Mock S3 for testing."""
    with mock_aws():
        # Create bucket
        import boto3
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="test-bucket")

        # Register fsspec backend
        s3_fs = fsspec.filesystem("s3")
        storages.register_backend(FSSpecBackend(
            key="test-s3",
            fs=s3_fs,
            prefix="test-bucket",
        ))

        yield

        storages._backends.pop("test-s3", None)
'''

BUFFERING = """\
import fsspec

# Increase buffer size for large files
s3_fs = fsspec.filesystem(
    "s3",
    key="AWS_ACCESS_KEY_ID",
    secret="AWS_SECRET_ACCESS_KEY",
    default_block_size=10 * 1024 * 1024,  # 10 MB blocks
)
"""

ASYNC_OPERATIONS = """\
# FileObject automatically uses async when available
content = await file_obj.get_content_async()  # Uses fsspec async
"""

CONNECTION_POOLING = """\
import fsspec

s3_fs = fsspec.filesystem(
    "s3",
    key="AWS_ACCESS_KEY_ID",
    secret="AWS_SECRET_ACCESS_KEY",
    config_kwargs={"max_pool_connections": 50},
)
"""

PATH_ISSUES = """\
# Correct
prefix="bucket/path"          # No leading slash
prefix="/local/absolute/path" # Absolute for local

# Incorrect
prefix="/bucket/path"         # Leading slash for cloud
prefix="local/relative/path"  # Relative for local (use absolute)
"""

AUTHENTICATION_FAILURES = """\
# Test filesystem directly
import fsspec

fs = fsspec.filesystem(
    "s3",
    key="AWS_ACCESS_KEY_ID",
    secret="AWS_SECRET_ACCESS_KEY",
)

# List bucket contents
files = fs.ls("my-bucket")
print(files)
"""

FROM_LOCAL_TO_S3 = """\
# Before (local)
storages.register_backend(FSSpecBackend(
    key="files",
    fs="file",
    prefix="/var/app/uploads",
))

# After (S3)
import fsspec

s3_fs = fsspec.filesystem("s3", key="...", secret="...")
storages.register_backend(FSSpecBackend(
    key="files",
    fs=s3_fs,
    prefix="my-bucket/uploads",
))

# Models unchanged - only backend registration changes
"""


ALL = {name: block for name, block in list(globals().items()) if name.isupper() and isinstance(block, str) and name != "ALL"}


class Programs:
    """The namespace of the blocks, and what replaces their placeholders."""

    def __init__(self, replaced: dict[str, str]) -> None:
        self.names: dict[str, Any] = {
            "__name__": "programs",
            "Optional": Optional,
            "storages": storages,
            "FSSpecBackend": FSSpecBackend,
        }
        self._replaced = replaced

    def run(self, *names: str) -> dict[str, Any]:
        for name in names:
            block = ALL[name]
            for old, new in self._replaced.items():
                block = block.replace(old, new)
            code = compile(block, name, "exec", flags=0x2000, dont_inherit=True)
            exec(code, self.names)
        return self.names


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Programs]:
    module = types.ModuleType("programs")  # where SQLAlchemy resolves the quoted annotations
    monkeypatch.setitem(sys.modules, "programs", module)
    programs = Programs({"/var/app/uploads": str(tmp_path / "uploads"), "/tmp/fsspec_cache": str(tmp_path / "cache")})
    module.__dict__.update(programs.names)
    programs.names = module.__dict__
    s3fs.S3FileSystem.clear_instance_cache()
    yield programs
    storages.clear_backends()
    s3fs.S3FileSystem.clear_instance_cache()
    UUIDAuditBase.registry.dispose()
    UUIDAuditBase.metadata.clear()


@pytest.fixture
def s3(moto: Moto, programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Programs]:
    """The blocks with moto behind every S3 endpoint that they name."""
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", moto.region)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.endpoint)
    for endpoint in ("https://s3.amazonaws.com", "http://localhost:9000", "https://account-id.r2.cloudflarestorage.com"):
        programs._replaced[endpoint] = moto.endpoint
    client = moto.client()
    client.create_bucket(Bucket="my-bucket")
    yield programs
    for item in client.list_objects_v2(Bucket="my-bucket").get("Contents", ()):
        client.delete_object(Bucket="my-bucket", Key=item["Key"])
    client.delete_bucket(Bucket="my-bucket")
    client.close()


def round_trip(key: str) -> None:
    """Write, read and delete through a backend, in both colours, on one instance."""
    name = f"{uuid.uuid4().hex}/a.txt"
    file = FileObject(key, name, content=b"blocking").save()
    assert FileObject(key, name).get_content() == b"blocking"

    async def other() -> None:
        assert await FileObject(key, name).get_content_async(range=(0, 5)) == b"block"
        await file.save_async(b"async")
        await file.refresh_async()

    asyncio.run(other())
    assert file.get_content() == b"async"
    assert file.size == 5
    file.delete()
    assert not file.exists()


def test_local(programs: Programs, tmp_path: Path) -> None:
    programs.run("BACKEND_REGISTRATION", "USING_IN_MODELS")
    round_trip("local")
    programs.run("BASIC_SETUP")
    round_trip("local")
    programs.run("AUTO_CREATE_DIRECTORIES")
    round_trip("local")
    assert (tmp_path / "uploads").is_dir()


def test_s3(s3: Programs) -> None:
    names = s3.run("BASIC_CONFIGURATION")
    round_trip("s3-documents")
    s3.run("IAM_ROLE_AUTHENTICATION")
    round_trip("s3-documents")
    s3.run("S3_COMPATIBLE_SERVICES")
    round_trip("minio")
    round_trip("r2")
    s3.run("CUSTOM_FSSPEC_OPTIONS")
    round_trip("s3-encrypted")
    s3.run("CACHING")
    round_trip("s3-cached")
    s3.run("BUFFERING", "CONNECTION_POOLING", "AUTHENTICATION_FAILURES")
    assert isinstance(names["s3_fs"], s3fs.S3FileSystem)


def test_gcs_is_built(programs: Programs) -> None:
    programs._replaced |= {'"/path/to/service-account.json"': '"anon"', '"google_default"': '"anon"'}
    programs.run("SERVICE_ACCOUNT", "DEFAULT_CREDENTIALS")
    assert storages.get_backend("gcs-files").protocol in {"gs", "gcs"}
    assert storages.get_backend("gcs-files").prefix == "my-bucket/files"


def test_azure(programs: Programs, azurite: Azurite) -> None:
    text = f"DefaultEndpointsProtocol=http;AccountName={azurite.account};AccountKey={azurite.key};BlobEndpoint={azurite.endpoint};"
    placeholder = "DefaultEndpointsProtocol=https;AccountName=...;AccountKey=...;EndpointSuffix=core.windows.net"
    with azurite.container() as container:
        programs._replaced |= {placeholder: text, "container/files": f"{container.name}/files"}
        programs.run("CONNECTION_STRING")
        round_trip("azure-blobs")
    programs._replaced["account-key-here"] = base64.b64encode(b"account-key-here").decode()
    programs.run("ACCOUNT_KEY")
    assert storages.get_backend("azure-blobs").prefix.endswith("/files")


def test_sftp(programs: Programs, sshd: Sshd) -> None:
    with sshd.folder() as folder:
        known = f'client_keys=["{sshd.client_key}"], known_hosts=None, port={sshd.port}'
        programs._replaced |= {
            "import fsspec": "from holdall.drivers import fsspec",
            "sftp.example.com": "127.0.0.1",
            'username="user"': f'username="{sshd.user}"',
            'password="password"': known,
            'client_keys=["/path/to/private_key"]': known,
            "/remote/path": folder.path,
        }
        for name in ("PASSWORD_AUTHENTICATION", "SSH_KEY_AUTHENTICATION"):
            programs.run(name)
            round_trip("sftp-uploads")


def test_http(programs: Programs, nginx: Nginx) -> None:
    with nginx.site() as site:
        site.ground.write("a.txt", b"hello")
        programs._replaced |= {"https://cdn.example.com/files": site.url, "https://api.example.com/storage": site.url}
        for name, key in (("PUBLIC_FILES", "cdn"), ("AUTHENTICATED", "api-storage")):
            programs.run(name)
            file = FileObject(key, "a.txt")
            assert file.get_content() == b"hello"
            assert asyncio.run(file.get_content_async(range=(1, 3))) == b"el"
            assert file.refresh().size == 5
            assert str(file.url).endswith("/a.txt")
            for act in (lambda file=file: file.save(b"x"), file.delete, file.sign):
                with pytest.raises(NotImplementedError):
                    act()


@pytest.mark.filterwarnings("ignore:.*nferred.*")  # the blocks are as they are
def test_routes(s3: Programs) -> None:
    class DocumentSchema(msgspec.Struct):
        id: uuid.UUID
        title: str
        file: FileObject

    names = s3.run("BASIC_CONFIGURATION", "USING_IN_MODELS")
    model = names["Document"]
    names |= {"DocumentModel": model, "DocumentSchema": DocumentSchema, "Document": DocumentSchema}
    names |= {"UUID": uuid.UUID, "NotFoundException": NotFoundException, "DocumentService": DocumentService}
    s3.run("UPLOAD_PATTERN", "DOWNLOAD_PATTERN")

    async def talk() -> None:
        engine = create_async_engine("sqlite+aiosqlite://")
        async with engine.begin() as connection:
            await connection.run_sync(model.metadata.create_all)

        async def service() -> Any:
            async with AsyncSession(engine, expire_on_commit=False) as session:
                yield DocumentService(session, model)

        app = Litestar(
            [names["upload_file"], names["download_file"]],
            dependencies={"service": Provide(service)},
            plugins=[HoldallPlugin()],
            signature_types=[DocumentService],
        )
        async with AsyncTestClient(app) as client:
            answer = await client.post("/upload", files={"data": ("plan.txt", b"the plan", "text/plain")})
            assert answer.status_code == 201, answer.text
            document = answer.json()
            assert (document["title"], document["file"]["size"]) == ("plan.txt", 8)
            answer = await client.get(f"/download/{document['id']}")
            assert (answer.status_code, answer.content) == (200, b"the plan")
            assert answer.headers["content-disposition"] == 'attachment; filename="plan.txt"'
            assert (await client.get(f"/download/{uuid.uuid4()}")).status_code != 200
        await engine.dispose()

    asyncio.run(talk())
    assert FileObject("s3-documents", "plan.txt").get_content() == b"the plan"


def unwrapped(fixture: Any) -> Any:
    """Return the generator function that a pytest fixture was made of."""
    return fixture._get_wrapped_function()


def test_memory_fixture(programs: Programs) -> None:
    names = programs.run("IN_MEMORY_BACKEND")
    running = unwrapped(names["memory_storage"])()
    backend = next(running)
    asyncio.run(names["test_file_upload"](backend))
    assert storages.is_registered("test")
    assert next(running, None) is None
    assert not storages.is_registered("test")


def test_moto_fixture(programs: Programs) -> None:
    names = programs.run("MOCK_S3_MOTO")
    running = unwrapped(names["mock_s3"])()
    next(running)
    round_trip("test-s3")
    assert next(running, None) is None
    assert not storages.is_registered("test-s3")


def test_async_operations(programs: Programs) -> None:
    programs.run("BACKEND_REGISTRATION")
    programs.names["file_obj"] = FileObject("local", "a.txt", content=b"1").save()
    code = compile(ASYNC_OPERATIONS, "ASYNC_OPERATIONS", "exec", flags=0x2000, dont_inherit=True)
    asyncio.run(eval(code, programs.names))
    assert programs.names["content"] == b"1"


def test_path_issues(programs: Programs) -> None:
    programs.run("PATH_ISSUES")
    FSSpecBackend(key="local", fs="file", prefix="/local/absolute/path")
    FSSpecBackend(key="bucket", fs="s3", prefix="bucket/path")
    with pytest.raises(ConfigError, match="'bucket/path'"):
        FSSpecBackend(key="bucket", fs="s3", prefix="/bucket/path")
    with pytest.raises(ConfigError, match="/local/relative/path"):
        FSSpecBackend(key="local", fs="file", prefix="local/relative/path")


def test_from_local_to_s3(s3: Programs) -> None:
    before, after = FROM_LOCAL_TO_S3.split("# After (S3)")
    ALL["BEFORE"], ALL["AFTER"] = before, after
    s3.run("BEFORE")
    FileObject("files", "a.txt", content=b"local").save()
    file = FileObject("files", "a.txt")
    assert file.get_content() == b"local"
    s3.run("AFTER")
    assert not file.exists()
    file.save(b"s3")
    assert fsspec.filesystem("s3").cat("my-bucket/uploads/a.txt") == b"s3"


def test_every_block_is_here() -> None:
    assert len([name for name in ALL if name not in {"BEFORE", "AFTER"}]) == 27
