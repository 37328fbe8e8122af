"""Transfers whose files are carried by an executor of the caller's: threads, and processes that open the mounts anew."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from holdall import StorageManager
from holdall.errors import AlreadyExistsError, ConfigError, NotSupportedError, TransferError

FILES = {f"d{i % 3}/{i:02}.txt": "x" * i for i in range(1, 13)}
SECRET = "HOLDALL_TEST_EXECUTOR_SECRET"


@pytest.fixture(scope="module")
def processes(moto):
    """Two processes; what they make is for their owner alone, so that one sees who made a file."""
    spawn = multiprocessing.get_context("spawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SECRET, moto.secret_key)
        with ProcessPoolExecutor(2, mp_context=spawn, initializer=os.umask, initargs=(0o077,)) as pool:
            yield pool


@pytest.fixture
def disks(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with StorageManager({name: {"type": "local", "path": str(tmp_path / name)} for name in "ab"}) as storage:
        for name, text in FILES.items():
            storage.node("a:t", name).put(text.encode(), content_type="text/x-test", metadata={"who": "me"})
        yield storage


def content(storage, place):
    top = storage.node(place)
    return {node.relative_to(top): node.read() for node in top.rglob("*") if node.info.is_file()}


@pytest.mark.parametrize("pair", ["ram disk", "disk s3", "s3 ram", "s3 s3"])
def test_threads_carry_files_between_all_kinds(everywhere, say, pair):
    source, target = pair.split()
    for name, text in FILES.items():
        everywhere.node(f"{source}:t", name).write(text)
    seen, told, arrived = [], [], []
    with ThreadPoolExecutor(3) as pool:
        report = say(
            everywhere, "copy", f"{source}:t", f"{target}2:u", executor=pool, progress=lambda *step: told.append(step),
            on_file=lambda node: seen.append(node.name), on_progress=lambda event: arrived.append(event.total),
        )  # fmt: skip
    assert content(everywhere, f"{target}2:u") == FILES
    assert (report.copied, report.bytes) == (12, sum(map(len, FILES.values())))
    assert (sorted(seen), told[-1], arrived[-1]) == (sorted(Path(name).name for name in FILES), (12, 12), report.bytes)


def test_processes_carry_files_and_what_stands_beside_them(disks, say, processes, tmp_path):
    told = []
    report = say(
        disks, "copy", "a:t", "b:u", executor=processes, exclude="*/04.txt", on_skip=lambda node, why: told.append(why)
    )
    assert (report.copied, report.skipped, told) == (11, 1, ["excluded"])
    assert content(disks, "b:u") == {name: text for name, text in FILES.items() if "04" not in name}
    stat = disks.node("b:u/d1/01.txt").stat()
    assert (stat.content_type, dict(stat.metadata)) == ("text/x-test", {"who": "me"})
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "b/u").rglob("*.txt")} == {0o600}, "made by the workers"
    single = say(disks.node("a:t/d1/04.txt"), "copy_to", "b:one.txt", executor=processes)
    assert single.read() == FILES["d1/04.txt"]
    again = say(disks, "sync", "a:t", "b:u", executor=processes, compare="hash")
    assert (again.copied, again.skipped) == (1, 11)


def test_processes_open_s3_from_the_configuration(moto_bucket, say, processes, tmp_path, s3_mount):
    mounts = {"s3": {**s3_mount(moto_bucket), "secret": f"${{{SECRET}}}"}, "disk": {"type": "local", "path": str(tmp_path)}}
    with StorageManager(mounts) as storage:
        for name, text in FILES.items():
            storage.node("disk:t", name).write(text)
        say(storage, "move", "disk:t", "s3:t", executor=processes)
        assert content(storage, "s3:t") == FILES
        assert not storage.node("disk:t").exists
    mounts["s3"]["secret"] = moto_bucket.server.secret_key
    with StorageManager(mounts) as storage, pytest.raises(ConfigError, match=r"\$\{"):
        say(storage, "copy", "s3:t", "disk:t", executor=processes)


def test_what_goes_wrong_in_a_worker_is_the_items_error(disks, say, processes):
    disks.node("b:u/d1/01.txt").write("there already")
    with pytest.raises(TransferError) as raised:
        say(disks, "copy", "a:t", "b:u", executor=processes, overwrite=False, errors="collect")
    report = raised.value.report
    assert (report.copied, [item.source for item in report.failures]) == (11, ["t/d1/01.txt"])
    assert isinstance(report.failures[0].error, AlreadyExistsError)
    with pytest.raises(FileExistsError):
        say(disks, "copy", "a:t", "b:u", executor=processes, overwrite=False)
    assert disks.node("b:u/d1/01.txt").read() == "there already"


def test_a_callback_that_raises_stops_what_has_not_begun(disks, say):
    def stop(node):
        raise KeyError("enough")

    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyError, match="enough"):
        say(disks, "copy", "a:t", "b:u", executor=pool, on_file=stop, concurrency=2)
    assert 1 <= len(content(disks, "b:u")) < len(FILES)


def test_what_other_processes_cannot_reach_is_refused_before_anything_is_copied(disks, say, processes, tmp_path):
    disks.configure({"ram": "memory://", "mine": {"type": "local", "path": lambda: str(tmp_path / "b")}, "part": "mine:x"})
    with pytest.raises(NotSupportedError, match="ThreadPoolExecutor"):
        say(disks, "copy", "a:t", "ram:t", executor=processes)
    for mount in ("mine", "part"):
        with pytest.raises(NotSupportedError, match=f"path function of mount '{mount}'"):
            say(disks, "copy", "a:t", f"{mount}:t", executor=processes)
    with pytest.raises(TypeError, match="Executor"):
        say(disks, "copy", "a:t", "b:t", executor=object())
    assert content(disks, "b:") == {}
    say(disks, "copy", "a:t", "b:t", executor=processes, dry_run=True)
    assert content(disks, "b:") == {}


def test_cancelling_ends_what_was_begun_and_drops_the_rest(disks):
    async def main():
        with ThreadPoolExecutor(1) as pool:
            begun = asyncio.Event()
            copying = asyncio.create_task(disks.copy_async("a:t", "b:u", executor=pool, on_file=lambda node: begun.set()))
            await begun.wait()
            copying.cancel()
            with pytest.raises(asyncio.CancelledError):
                await copying
        return content(disks, "b:u")

    found = asyncio.run(main())
    assert 1 <= len(found) <= len(FILES)
    assert all(FILES[name] == text for name, text in found.items())
