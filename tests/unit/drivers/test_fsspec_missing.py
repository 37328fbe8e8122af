"""What fsspec needs and does not find is named, with the line that installs it; each in a program of its own, where the package is hidden."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys, importlib

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[2]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
registry = importlib.import_module("fsspec.registry")
if sys.argv[2] == "sshfs":  # what fsspec knows of it, it knows from the package itself
    registry.known_implementations.pop("sshfs", None)
from holdall import open_store
from holdall.errors import MissingExtraError
from holdall.drivers.fsspec import FsspecStore
try:
    (FsspecStore if "::" in sys.argv[1] else open_store)(sys.argv[1]).head("x")
except MissingExtraError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("url", "hidden", "told"),
    [
        ("fsspec+sshfs://u@h/p", "sshfs", "the filesystem 'sshfs' needs sshfs: pip install \"holdall[sftp]\""),
        ("fsspec+s3://bucket", "s3fs", "the filesystem 's3' needs s3fs: pip install s3fs"),
        ("fsspec+gs://bucket", "gcsfs", "the filesystem 'gs' needs gcsfs: pip install gcsfs"),
        ("fsspec+webdav://host", "webdav4", "the filesystem 'webdav' needs webdav4: pip install webdav4"),
        ("fsspec+smb://host/share", "smbprotocol", "the filesystem 'smb' needs smbprotocol: pip install \"holdall[smb]\""),
        ("fsspec+git://x", "pygit2", "the filesystem 'git' needs pygit2: pip install \"holdall[git]\""),
        ("simplecache::s3://bucket", "s3fs", "the filesystem 's3' needs s3fs: pip install s3fs"),
    ],
)
def test_a_missing_package_is_named_with_the_line_that_installs_it(url, hidden, told):
    done = subprocess.run([sys.executable, "-c", PROGRAM, url, hidden], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == told, done.stderr
