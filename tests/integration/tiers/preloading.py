"""What drivers load on first use, loaded before a program forks: else each child would load it for itself."""

import importlib
from collections.abc import Sequence

from holdall.tiers import FileStore

USED = {
    "sftp": ["asyncssh"],
    "s3": ["boto3", "obstore.store", "botocore.regions"],
    "azure": ["obstore.store", "httpx"],
    "ftp": ["ftplib"],
    "ftps": ["ftplib", "ssl"],
}


def preload(urls: Sequence[str]) -> None:
    """Load it, without a connection or a thread."""
    for url in urls:
        for name in ["asyncio", "concurrent.futures.thread", *USED.get(url.partition(":")[0], [])]:
            importlib.import_module(name)
    FileStore(*urls).close()
