"""Databases in a bucket of the tests, as they are or by way of a proxy that counts requests."""

from holdall.records import S3Database


def opened(place, /, *, proxy=None, **options):
    """Return a database in a bucket."""
    server = place.server
    known = {
        "bucket": place.name,
        "region": server.region,
        "endpoint_url": proxy.url if proxy is not None else server.endpoint,
        "access_key_id": server.access_key,
        "secret_access_key": server.secret_key,
        "create_bucket": False,
    }
    return S3Database.from_config({**known, **options})


class Counted:
    """Counts the requests that pass a proxy within a block."""

    def __init__(self, proxy):
        self.proxy = proxy

    def __enter__(self):
        self.since = len(self.proxy.traffic.requests)
        return self

    def __exit__(self, *failure):
        self.all = list(self.proxy.traffic.requests[self.since :])

    @property
    def methods(self):
        """The methods, sorted; listings are told from reads."""
        return sorted("LIST" if m == "GET" and "list-type" in target else m for m, target in self.all)
