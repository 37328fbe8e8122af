"""The same tree to every kind of storage and back, and the same file in each of them."""

import pytest
from tests.unit.engine.stores import engine, everything, fill

from holdall.core.plans import MIB
from holdall.drivers.azure import AzureStore
from holdall.drivers.ftp import FTPStore
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.drivers.sftp import SFTPStore
from holdall.engine.localize import Localize
from holdall.engine.progress import TransferOptions
from holdall.engine.streams import open_file
from holdall.errors import AlreadyExistsError

BIG = bytes(range(251)) * 45_000  # 11 MiB
TREE = {f"d{i % 3}/file {i:02}.bin": bytes([i]) * (i * 500) for i in range(30)} | {"ü.txt": b"odd", "big": BIG}


@pytest.fixture(params=["sftp", "ftp", "azure"])
def store(request):
    """A store on a real server."""
    if request.param == "sftp":
        server, folder = request.getfixturevalue("sshd"), request.getfixturevalue("sshd_folder")
        made = SFTPStore(
            server.host,
            path=folder.path,
            port=server.port,
            username=server.user,
            key_filename=server.client_key,
            known_hosts=server.known_hosts,
        )
    elif request.param == "ftp":
        server, folder = request.getfixturevalue("ftpd"), request.getfixturevalue("ftpd_folder")
        made = FTPStore(server.host, path=folder.path, port=server.port, username=server.user, password=server.password)
    else:
        container = request.getfixturevalue("azurite_container")
        server = container.server
        made = AzureStore(container.name, account_name=server.account, account_key=server.key, endpoint_url=server.endpoint)
    with made:
        yield made


def test_a_tree_goes_there_and_comes_back(colour, store, tmp_path):
    local, back = LocalStore(tmp_path / "a", create=True), MemoryStore()
    fill(local, TREE)
    there = colour(engine).copy((local, ""), (store, "t"), TransferOptions(verify="checksum"))
    assert (there.copied, there.bytes) == (len(TREE), sum(map(len, TREE.values())))
    assert colour(engine).copy((store, "t"), (back, "")).copied == len(TREE)
    assert everything(back) == TREE
    assert colour(engine).copy((local, ""), (store, "t"), TransferOptions(skip="size")).skipped == len(TREE)


def test_what_is_there_is_not_overwritten_unless_told(colour, store):
    source = MemoryStore()
    source.put("f", b"new")
    store.put("f", b"old")
    if store.capabilities.create:
        with pytest.raises(AlreadyExistsError):
            colour(engine).copy((source, "f"), (store, "f"), TransferOptions(overwrite=False))
        assert store.get("f").bytes() == b"old"
    colour(engine).copy((source, "f"), (store, "f"))
    assert store.get("f").bytes() == b"new"


def test_a_mirror_and_a_move(colour, store, tmp_path):
    local = LocalStore(tmp_path, create=True)
    fill(local, {"a": b"1", "b/c": b"22", "big": BIG})
    fill(store, {"t/old": b"3", "t/gone/d": b"4"})
    report = colour(engine).sync((local, ""), (store, "t"), TransferOptions(delete=True, compare="size"))
    assert (report.copied, report.deleted) == (3, 2)
    assert colour(engine).sync((local, ""), (store, "t"), TransferOptions(delete=True, compare="size")).skipped == 3
    colour(engine).move((store, "t/"), (local, "back"))
    assert everything(store) == {}
    assert everything(local, "back/") == {"a": b"1", "b/c": b"22", "big": BIG}


def test_a_move_within_the_store(colour, store):
    fill(store, {"t/a": b"1", "t/b/c": b"22"})
    colour(engine).move((store, "t/"), (store, "u"))
    assert everything(store) == {"u/a": b"1", "u/b/c": b"22"}


def test_files_and_local_paths(store):
    with open_file(store, "d/t.txt", "w") as file:
        file.writelines(f"línea {i}\n" for i in range(2000))
    with open_file(store, "d/t.txt", "r") as file:
        assert file.readline() == "línea 0\n"
        assert file.readlines()[-1] == "línea 1999\n"
    store.put("big", BIG)
    with open_file(store, "big") as file:
        file.seek(9 * MIB)
        assert file.read(100) == BIG[9 * MIB : 9 * MIB + 100]
    with pytest.raises(KeyError), open_file(store, "d/t.txt", "w") as file:
        file.write("no")
        raise KeyError("no")
    with Localize(store, "d/t.txt", "rw") as path, open(path, "a", encoding="utf-8") as local:
        local.write("más\n")
    assert open_file(store, "d/t.txt", "r").readlines()[-1] == "más\n"
