"""A program's own httpx client, lent to our requests."""

import httpx

from holdall.drivers.webdav_client import through


def test_requests_go_out_as_the_program_s_own_but_for_the_encoding():
    asked = []

    def answer(request):
        asked.append(request)
        return httpx.Response(200, content=b"x")

    own = httpx.Client(transport=httpx.MockTransport(answer), headers={"X-Own": "1"}, auth=("ada", "s3cret"))
    with through(own) as client:
        assert client.get("http://dav.example/k").content == b"x"
    assert not own.is_closed
    [request] = asked
    assert request.headers["X-Own"] == "1"
    assert request.headers["Authorization"].startswith("Basic ")
    assert request.headers.get_list("Accept-Encoding") == ["identity"]
    with through(own, ("grace", "other")) as client:
        client.get("http://dav.example/k")
    assert asked[1].headers["Authorization"] != request.headers["Authorization"]
    own.close()
