"""A wrong password or token, as HTTP servers see it: told as such by every verb, and never shown."""

import pickle
import traceback

import pytest

from holdall.drivers.objects import HTTPStore
from holdall.errors import HoldallError, UnauthenticatedError
from holdall.testing import Colour
from holdall.testing.servers import Nginx

WRONG = "wr0ng-and-never-shown"
WAYS = ("argument", "address", "token", "user")


def opened(nginx: Nginx, url: str, way: str) -> HTTPStore:
    if way == "argument":
        return HTTPStore(url, username=nginx.user, password=WRONG)
    if way == "address":
        return HTTPStore(url.replace("://", f"://{nginx.user}:{WRONG}@"))
    if way == "token":
        return HTTPStore(url, token=WRONG)
    return HTTPStore(url, username="nobody", password=WRONG)


def shown(error: BaseException) -> str:
    """Return whatever a program may log of an error, and of what caused it."""
    chain: list[BaseException] = []
    each: BaseException | None = error
    while each is not None:
        chain.append(each)
        each = each.__cause__ or each.__context__
    store = error.store if isinstance(error, HoldallError) else None
    texts = [f"{e} {e!r} {e.args!r} {getattr(e, '__notes__', '')}" for e in chain]
    return "".join([*traceback.format_exception(error), *texts, f"{store}", pickle.dumps(error).decode("latin-1")])


@pytest.mark.parametrize("way", WAYS)
def test_wrong_credentials_are_told_and_not_shown(nginx: Nginx, colour: Colour, way: str):
    with nginx.site("private/") as site:
        site.ground.write("k", b"bytes")
        with opened(nginx, site.url, way) as store:
            verbs = colour(store)
            assert WRONG not in f"{store!r} {store} {store.identity!r} {store.url('k')}"
            for key in ("k", "not/there"):
                for call in (
                    lambda key=key: verbs.get(key),
                    lambda key=key: verbs.head(key),
                    lambda key=key: verbs.get_ranges(key, [(0, 1), (3, 4)]),
                ):
                    with pytest.raises(UnauthenticatedError) as caught:
                        call()
                    assert caught.value.key == key
                    assert WRONG not in shown(caught.value)
        with HTTPStore(site.url, username=nginx.user, password=nginx.password) as store:
            assert colour(store).head("k").size == 5  # the right one is let in
