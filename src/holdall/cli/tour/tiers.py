"""The scene of tiers: three locations, one of which is stopped under way; nothing is lost, and repair fills the gap.

A local directory, an FTP server in a process of its own, and another directory as archive hold the same names. The link to the server is cut
while files are being written, writes say which location they missed, reads go on, and after it is back repair brings what is lacking.
"""

from __future__ import annotations

import hashlib
import os
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from holdall.cli.tour.stage import Stage, timed
from holdall.core.retry import RetryPolicy
from holdall.errors import MissingExtraError, UnavailableError
from holdall.tiers import FileStore, PartialWriteError

if TYPE_CHECKING:
    from holdall.testing import FaultProxy
    from holdall.testing.servers import Ftpd

__all__ = ["scene"]

FILES = 24


def scene(stage: Stage) -> bool:
    """Play the scene and return whether nothing was lost."""
    try:
        from holdall.testing import FaultProxy  # noqa: PLC0415  # of the extra "testing"
        from holdall.testing.servers import Ftpd  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError('the tour needs an FTP server: pip install "holdall[testing]"') from error
    stage.title("tiers: three locations, one is stopped under way")
    started = timed()
    with (
        tempfile.TemporaryDirectory(prefix="holdall-tour-") as home,
        Ftpd.running() as ftpd,
        FaultProxy(("127.0.0.1", ftpd.port), http=False) as link,
    ):
        right = _played(stage, Path(home), ftpd, link)
    return stage.check(f"all of it in {timed() - started:.1f} s", right)


def _played(stage: Stage, home: Path, ftpd: Ftpd, link: FaultProxy) -> bool:
    files = _files(stage.files or FILES)
    truth = {f"lib/{i:03}": hashlib.sha256(Path(path).read_bytes()).hexdigest() for i, path in enumerate(files)}
    pairs = list(zip(files, truth, strict=True))
    half = len(pairs) // 2
    with FileStore(
        f"file://{home}/near?name=near-disk",
        f"ftp://{ftpd.user}:{ftpd.password}@127.0.0.1:{link.port}/middle?name=ftp-server",
        f"file://{home}/archive?name=archive",
        retry=RetryPolicy(attempts=1),
        immutable=True,
    ) as fs:
        first = fs.upload_batch(pairs[:half])
        right = stage.check(
            f"{first.done} files in {len(fs.locations)} locations: {', '.join(map(str, fs.locations))}", not first
        )
        link.down()
        missed = fs.upload_batch(pairs[half:])
        reasons = [error for _, _, error in missed if isinstance(error, PartialWriteError)]
        told = all([place.name for place in error.failed] == ["ftp-server"] for error in reasons)
        right &= stage.check(
            f"the FTP server is stopped: {len(missed)} writes say that it missed them, the others hold them",
            told and len(reasons) == len(pairs) - half,
        )
        right &= stage.check("every file is read all the same", _all_read(fs, truth))
        right &= stage.check("a name that nobody has is not called absent while one cannot be asked", _honest(fs))
        link.up()
        report = fs.repair(finding for finding in fs.verify("lib/"))
        right &= stage.check(
            f"it is started again: repair copies {len(report.repaired)} files to it", len(report.repaired) == len(reasons)
        )
        held = {str(location): _all_read(fs.at(location), truth) for location in fs.locations}
        rows = [[name, str(len(truth)), "all" if whole else "NOT ALL"] for name, whole in held.items()]
        stage.table("by SHA-256, read from each location", ["location", "files", "unchanged"], rows)
        return right & stage.check("all locations hold all files, unchanged", all(held.values()))


def _files(count: int) -> list[str]:
    folder = sysconfig.get_path("stdlib")
    found = sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".py"))
    return [path for path in found if os.path.getsize(path)][:count]


def _all_read(fs: FileStore, truth: dict[str, str]) -> bool:
    return all(hashlib.sha256(fs.get(name) or b"").hexdigest() == digest for name, digest in truth.items())


def _honest(fs: FileStore) -> bool:
    try:
        fs.get("lib/nobody has this")
    except UnavailableError:
        return True
    return False
