"""How long a service that throttles wants to be left alone: who asks, how often, and what is made of the answer."""

import threading
import urllib.request
from urllib.parse import unquote

import pytest

from holdall.core.retry import RetryPolicy
from holdall.drivers.gcs import GCSStore
from holdall.drivers.http import HTTPStore
from holdall.drivers.objects_client import ClientSettings
from holdall.drivers.objects_pause import QUIET, Pause, asked_pause
from holdall.drivers.objects_store import ObstoreStore
from holdall.drivers.s3 import S3Store
from holdall.errors import UnavailableError
from holdall.testing import Fault, FaultProxy

NOBODY = ("127.0.0.1", 1)


class Service:
    """Answers questions from a list, by a clock that a test moves."""

    def __init__(self, *answers):
        self.answers, self.asked, self.now = list(answers), 0, 100.0
        self.pause = Pause(lambda: self.now)

    def __call__(self):
        self.asked += 1
        return self.answers.pop(0)

    def seconds(self):
        return self.pause.seconds(self)


def test_an_answer_holds_until_its_time_has_come():
    service = Service(5.0, 2.0)
    assert service.seconds() == 5.0
    service.now += 3
    assert service.seconds() == 2.0
    assert service.asked == 1
    service.now += 3
    assert service.seconds() == 2.0
    assert service.asked == 2


def test_a_service_that_answers_as_usual_is_not_waited_for():
    service = Service(0.0, 4.0)
    assert service.seconds() is None
    service.now += 0.1
    assert service.seconds() == 4.0


def test_a_service_that_has_nothing_to_say_is_left_in_peace():
    service = Service(None, 4.0)
    assert service.seconds() is None
    service.now += QUIET - 1
    assert service.seconds() is None
    assert service.asked == 1
    service.now += 2
    assert service.seconds() == 4.0


def test_one_question_at_a_time_is_for_all_who_failed_meanwhile():
    begun, answered = threading.Event(), threading.Event()
    pause, asked, found = Pause(), [], []

    def question():
        asked.append(1)
        begun.set()
        assert answered.wait(30)
        return 60.0

    threads = [threading.Thread(target=lambda: found.append(pause.seconds(question))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    answered.set()
    for thread in threads:
        thread.join(30)
    assert len(asked) == 1
    assert len(found) == 8
    assert all(50 < seconds <= 60 for seconds in found)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(answer=503, headers={"Retry-After": "7"}), 7.0),
        (Fault(answer=429, headers={"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}), 0.0),
        (Fault(answer=503), None),
        (Fault(answer=503, headers={"Retry-After": "soon"}), None),
        (Fault(answer=500, headers={"Retry-After": "7"}), 0.0),
        (Fault(answer=404), 0.0),
        (Fault(answer=302, headers={"Location": "http://example.org/"}), 0.0),
        (Fault(answer=200), 0.0),
        (Fault(blackhole=True), None),
    ],
)
def test_what_is_made_of_the_answer(fault, told):
    with FaultProxy(NOBODY) as proxy:
        proxy.fail(fault)
        request = urllib.request.Request(f"{proxy.url}/k", method="HEAD")
        assert asked_pause(request, ClientSettings(timeout=0.3)) == told
        assert [method for method, _ in proxy.traffic.requests] == ["HEAD"]


def test_nobody_there():
    with FaultProxy(NOBODY) as proxy:
        request = urllib.request.Request(f"{proxy.url}/k", method="HEAD")
        proxy.down()
        assert asked_pause(request, ClientSettings(timeout=5)) is None


def s3(address, **more):
    return S3Store(
        "bucket", endpoint_url=address, region="us-east-1", access_key_id="key", secret_access_key="secret", **more
    )


SERVICES = {
    "s3": s3,
    "s3 anonymous": lambda address, **more: S3Store("bucket", endpoint_url=address, anonymous=True, **more),
    "gcs": lambda address, **more: GCSStore("bucket", endpoint_url=address, anonymous=True, **more),
    "http": lambda address, **more: HTTPStore(f"{address}/bucket", username="me", password="pw", **more),
}


@pytest.mark.parametrize("service", SERVICES)
def test_the_error_carries_the_time(service, colour):
    """After the driver's own repetitions, not at each of them; errors that are no throttling ask nothing."""
    with FaultProxy(NOBODY) as proxy, SERVICES[service](proxy.url, prefix="p q", retries=1) as plain:
        store = colour(plain)
        proxy.fail(Fault(answer=500, headers={"Retry-After": "9"}), times=2)
        with pytest.raises(UnavailableError) as caught:
            store.get("a b")
        assert caught.value.retry_after is None
        proxy.fail(Fault(answer=429, headers={"Retry-After": "9"}), times=3)
        with pytest.raises(UnavailableError) as caught:
            store.get("a b")
        assert 8 < caught.value.retry_after <= 9
        requests = proxy.traffic.requests
        assert [method for method, _ in requests] == ["GET", "GET", "GET", "GET", "HEAD"]
        assert {unquote(target.partition("?")[0]) for _, target in requests} == {"/bucket/p q/a b"}
        assert ("X-Amz-Signature" in requests[-1][1]) == (service == "s3")


def test_an_instance_of_the_users(colour):
    import obstore.store  # as a user does

    with FaultProxy(NOBODY) as proxy:
        native = obstore.store.S3Store(
            "bucket",
            endpoint=proxy.url,
            region="us-east-1",
            access_key_id="key",
            secret_access_key="secret",
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )
        proxy.fail(Fault(answer=503, headers={"Retry-After": "9"}), times=2)
        with pytest.raises(UnavailableError) as caught:
            colour(ObstoreStore(native)).put("k", b"x")
        assert 8 < caught.value.retry_after <= 9
        assert [method for method, _ in proxy.traffic.requests] == ["PUT", "HEAD"]


def test_listings_ask_too(colour):
    with FaultProxy(NOBODY) as proxy, SERVICES["gcs"](proxy.url, retries=0) as plain:
        proxy.fail(Fault(answer=503, headers={"Retry-After": "9"}), times=2)
        with pytest.raises(UnavailableError) as caught:
            list(colour(plain).list("p/"))
        assert 8 < caught.value.retry_after <= 9


def test_a_policy_bounds_it():
    assert RetryPolicy(cap=4.0).next(1, elapsed=0.0, chance=0.5, asked=9.0) == 4.0
