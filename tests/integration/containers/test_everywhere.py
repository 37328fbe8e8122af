"""The same archive on every kind of server: what fails leaves the old one, what is published is read in part and as a whole."""

import contextlib
import uuid

import pytest
from tests.file_servers import serving
from tests.object_stores import contained, opened

from holdall.containers import FileInfo, LazyReader, WriteOptions
from holdall.errors import NotSupportedError

MiB = 1024 * 1024
ROWS = [{"id": i, "text": "t" * 1000} for i in range(6000)]  # of two parts
PARTS = WriteOptions(part_size=5 * MiB)


@pytest.fixture(scope="module", params=["sftp", "smb", "ftp", "ftps", "webdav"])
def served(request):
    with serving(request.param) as served:
        yield served


@pytest.fixture(params=["moto_bucket", "localstack_bucket", "radosgw_bucket", "azurite_container"])
def objects(request):
    place = request.getfixturevalue(request.param)
    return contained(place, timeout=60.0) if request.param == "azurite_container" else opened(place)


@pytest.fixture
def files(served):
    name = uuid.uuid4().hex[:12]
    (served.files / name).mkdir()
    return served.store(name)


def everywhere(store, face, colour):
    """Fail to write, combine and append; then succeed."""

    def rows():
        yield from ROWS
        raise RuntimeError("the source broke")

    face.combine("a", [FileInfo(obj="old", name="old")], store=store)
    face.dump("child", ROWS, store=store, options=PARTS)
    before = store.get("a").bytes(), store.head("a").etag
    child = FileInfo("child", "child", store=store)
    for act in (
        lambda: face.dump("a", rows(), store=store, options=PARTS),
        lambda: face.combine("a", [child, FileInfo(obj=rows(), name="rows")], store=store, options=PARTS),
        lambda: face.append("a", [child, FileInfo(obj=rows(), name="rows")], store=store, options=PARTS),
    ):
        with pytest.raises(RuntimeError, match="broke"):
            act()
        assert (store.get("a").bytes(), store.head("a").etag) == before
    assert sorted(meta.key for page in store.list() for meta in page.objects) == ["a", "child"]
    with contextlib.suppress(NotSupportedError):  # where nothing unfinished can be listed
        assert store.uploads() == []
    face.append("a", [child], store=store, options=PARTS)
    with colour(LazyReader("a", store=store)) as reader:
        assert reader.read("child/5999/id") == 5999
        assert reader.read_many(["old", "child/17/id"]) == ["old", 17]
        assert reader.to_obj() == {"old": "old", "child": ROWS}
    colour(store).close()


def test_a15_a_failure_leaves_the_old_object_in_object_stores(objects, face, colour):
    everywhere(objects, face, colour)


def test_a15_a_failure_leaves_the_old_object_on_file_servers(files, face, colour):
    everywhere(files, face, colour)
