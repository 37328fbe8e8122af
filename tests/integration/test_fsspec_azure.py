"""The fsspec driver over adlfs, on Azurite."""

import adlfs
import pytest

from holdall.drivers.fsspec import FsspecStore
from holdall.errors import NotFoundError, UnavailableError
from holdall.testing import Colour
from holdall.testing.servers import Azurite


def test_a_prefix_that_became_empty_is_no_missing_root(azurite: Azurite, colour: Colour) -> None:
    fs = adlfs.AzureBlobFileSystem(
        connection_string=f"DefaultEndpointsProtocol=http;AccountName={azurite.account};AccountKey={azurite.key};"
        f"BlobEndpoint={azurite.endpoint};",
        skip_instance_cache=True,
    )
    with azurite.container() as container:
        store = colour(FsspecStore(fs, path=f"{container.name}/some/prefix"))
        for _ in range(2):
            with pytest.raises(NotFoundError):
                store.get("k")
            store.put("k", b"1")
            assert [result.error for result in store.delete(["k", "absent"])] == [None, None]
        with pytest.raises(NotFoundError):
            store.head("k")
        assert [meta for page in store.list() for meta in page.objects] == []
        elsewhere = colour(FsspecStore(fs, path=f"{container.name}-absent/some/prefix"))
        with pytest.raises(UnavailableError):
            elsewhere.get("k")
