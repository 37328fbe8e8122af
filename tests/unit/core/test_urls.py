"""The grammar of URLs: decoded once, all faults in one, no secret shown."""

import copy
import pickle
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.core.params import Param
from holdall.core.secrets import Secret
from holdall.core.urls import StoreURL, URLSpec, is_loopback, parse_url, url_scheme
from holdall.errors import ConfigError

SPEC = URLSpec(
    type="test",
    schemes={"t": 1},
    params=(
        Param(name="region", aliases=("aws_region",), empty=True),
        Param(name="key", secret=True, aliases=("access_key",)),
        Param(name="flag", kind="bool"),
        Param(name="bucket"),
        Param(name="needed"),
    ),
)
SPECS = {"t": SPEC, "s3": replace(SPEC, type="s3"), "lit": replace(SPEC, literal=True)}
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


def parse(text, env=None, **options):
    return parse_url(text, options.pop("specs", SPECS), env=env or {}, **options)


def faults(text, env=None, **options):
    with pytest.raises(ConfigError) as caught:
        parse(text, env, **options)
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "password"),
    [
        ("p@ss", "p@ss"),
        ("p%40ss", "p@ss"),
        ("a%2Fb", "a/b"),
        ("%2540", "%40"),
        ("", ""),
        ("a+b", "a+b"),
        ("a:b:c", "a:b:c"),
        ("ü", "ü"),
        ("%C3%BC", "ü"),
    ],
)
def test_passwords_are_decoded_once(written, password):
    url = parse(f"t://user:{written}@host/x")
    assert (url.user, url.password.reveal(), url.host) == ("user", password, "host")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("T://HOST", (None, "host", None, ())),
        ("t://", (None, "", None, ())),
        ("t:///a/b", (None, "", None, ("a", "b"))),
        ("t://h/", (None, "h", None, ("",))),
        ("t://h/a/", (None, "h", None, ("a", ""))),
        ("t://h//a", (None, "h", None, ("", "a"))),
        ("t://us%40er@h:8080/sp%20ace/%25", ("us@er", "h", 8080, ("sp ace", "%"))),
        ("t://[::1]:9000/x", (None, "::1", 9000, ("x",))),
        ("t://[2001:DB8::1]", (None, "2001:db8::1", None, ())),
        ("t://u@h_1.example", ("u", "h_1.example", None, ())),
        ("t://h/~/x", (None, "h", None, ("~", "x"))),
        ("t://h/a..b/.c", (None, "h", None, ("a..b", ".c"))),
        ("t://h/名", (None, "h", None, ("名",))),
    ],
)
def test_parts(text, parts):
    url = parse(text)
    assert (url.user, url.host, url.port, url.segments) == parts
    assert url.path == "/".join(url.segments)
    assert url.scheme == "t"
    assert url.type == "test"


def test_the_query():
    url = parse("t://h?aws_region=eu%2Fx&key=ab+c/d==&flag=YES")
    assert url.params == {"region": "eu/x", "key": Secret("ab+c/d=="), "flag": True}
    assert url.query == (("aws_region", "eu/x"), ("key", Secret("ab+c/d==")), ("flag", "YES"))
    assert url.fields == url.params


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("nothing", "does not begin with scheme://"),
        ("1x://h", "does not begin with scheme://"),
        ("t://h/a b", "a space is %20"),
        ("t://h/a\tb", "white space"),
        ("t://h/#frag", "'#' must be written %23"),
        ("t://h:99999", "port must be a number from 1 to 65535"),
        ("t://h:0", "port must be"),
        ("t://h:", "port must be"),
        ("t://h:٣", "port must be"),
        ("t://h:x", "port must be"),
        ("t://h:999999999999999999999", "port must be"),
        ("t://[::1", "IPv6 address stands in brackets"),
        ("t://[nope]", "IPv6 address stands in brackets"),
        ("t://[1.2.3.4]", "IPv6 address stands in brackets"),
        ("t://[::1]x", "IPv6 address stands in brackets"),
        ("t://[::1]:", "port must be"),
        ("t://::1", "IPv6 address stands in brackets"),
        ("t://h%41", "character that no host has"),
        ("t://h/%zz", "'%' in the path must be written %25"),
        ("t://u%:p@h", "'%' in the user name must be written %25"),
        ("t://u:%4@h", "'%' in the password must be written %25"),
        ("t://h/%ff", "the path is not UTF-8"),
        ("t://h/a%2Fb", "path segment"),
        ("t://h/%2e%2e/x", "path segment"),
        ("t://h/../x", "path segment"),
        ("t://h/./x", "path segment"),
        ("t://h/%00", "path segment"),
        ("t://h?", "there is an empty parameter"),
        ("t://h?region=a&", "there is an empty parameter"),
        ("t://h?region", "'region' is empty"),
        ("t://h?region=", "'region' is empty"),
        ("t://h?region=a&region=a", "'region' is given twice"),
        ("t://h?region=a&aws_region=a", "'region' and 'aws_region' are the same one"),
        ("t://h?regoin=a", "unknown parameter 'regoin', did you mean 'region'? (known: access_key, access_key_file,"),
        ("t://h?flag=maybe", "'flag' must be one of true, false"),
        ("u://h", "unknown scheme 'u'"),
        ("tt://h", "unknown scheme 'tt', did you mean 't'? (known: lit, s3, t)"),
        ("t://h/${X}", "environment variable X is not set"),
        ("t://${X}/", "environment variable X is not set"),
        ("t://h/${", "a reference to the environment"),
        ("t://h\0/", "cannot hold NUL"),
    ],
)
def test_faults(text, fault):
    assert fault in faults(text)


def test_all_faults_in_one_without_a_secret():
    text = faults("t://user:hunter2@h:99999/a b/../c?flag=maybe&s3_buket=x&key=%zz&needed=#x")
    for fault in (
        "port must be",
        "a space is %20",
        "path segment",
        "'flag' must",
        "unknown parameter 's3_buket'",
        "'#' must",
        "'needed' is empty",
        "'%' in",
    ):
        assert fault in text
    assert "hunter2" not in text
    assert "user" not in text.replace("user name", "")


@pytest.mark.parametrize("raw", ["/", "?"])
def test_raw_separators_in_a_password(raw):
    text = faults(f"t://user:hun{raw}ter@host/x?region=a")
    assert "%2F" in text
    assert "hun" not in text
    assert "ter" not in text


def test_a_raw_hash_in_a_password():
    text = faults("t://user:hun#ter@host/x")
    assert "%23" in text
    assert "ter@" not in text


def test_what_follows_a_secret_is_not_quoted():
    text = faults("t://h?key=abc&DEF==&region=x")
    assert "what follows 'key' is no parameter (a '&' in a value must be written %26)" in text
    assert "DEF" not in text
    assert parse("t://h?key=abc&region=x").params["region"] == "x"


def test_it_is_a_str():
    with pytest.raises(TypeError):
        parse(b"t://h")


def test_literal_segments():
    url = parse("lit://h/a%2Fb/../c")
    assert url.segments == ("a/b", "..", "c")


# -- references


def test_values_of_references_need_no_encoding():
    env = {"U": "us:er@", "P": "p/@?#%&+ä ", "R": "a&b=c", "D": "dir/sub dir%"}
    url = parse("t://${U}:${P}@h/${D}/x?region=${R}&key=${P}", env)
    assert (url.user, url.password.reveal(), url.host) == (env["U"], env["P"], "h")
    assert url.segments == ("dir", "sub dir%", "x")
    assert url.params == {"region": "a&b=c", "key": Secret(env["P"])}
    assert url.password.reference == "${P}"
    assert url.params["key"].reference == "${P}"


@given(TEXT, TEXT, TEXT)
def test_any_value_arrives_as_it_is(user, password, value):
    url = parse("t://${U}:${P}@h?key=${V}", {"U": user, "P": password, "V": value})
    assert (url.user, url.password.reveal(), url.params["key"].reveal()) == (user, password, value)


@given(TEXT, TEXT, TEXT)
def test_quoting_and_parsing_are_inverse(user, password, value):
    url = parse(f"t://{quote(user, safe='')}:{quote(password, safe='')}@h?key={quote(value, safe='')}", expanded=True)
    assert (url.user, url.password.reveal(), url.params["key"].reveal()) == (user, password, value)
    assert parse(url.reveal(), expanded=True) == url


def test_references_in_host_and_whole():
    env = {"HOST": "minio:9000", "URL": "t://u:p%40@h:1/x?flag=on", "S": "t", "ROOT": "/srv/data"}
    assert parse("t://${HOST}/x", env).netloc == "minio:9000"
    assert parse("t://u:p@${HOST}/x", env).port == 9000
    assert parse("${URL}", env).password.reveal() == "p@"
    assert parse("${S}://h", env).host == "h"
    assert parse("t://${ROOT}/x", env).segments == ("srv", "data", "x")
    assert parse("t://h/$${x}", env, specs=SPECS).segments == ("${x}",)


def test_defaults_and_literals_within_secrets():
    assert parse("t://u:${P:dev}@h").password.literal
    assert parse("t://u:x${P}@h", {"P": "y"}).password.literal
    assert parse("t://u:${P:}@h").password == Secret("")
    assert parse("t://h?region=${R:}").params == {}
    assert "'bucket' is empty" in faults("t://h?bucket=${R:}")


def test_a_value_cannot_climb():
    assert "path segment" in faults("t://h/${D}", {"D": "../x"})
    assert "path segment" in faults("t://h/${D}x", {"D": "a/../"})


def test_a_value_that_is_expanded_already():
    assert parse("t://h/${x}", expanded=True).segments == ("${x}",)


# -- files


def test_password_file(tmp_path):
    (tmp_path / "pw").write_text("hunter2\n")
    url = parse(f"t://u@h?password_file={tmp_path}/pw&region=x")
    assert url.password.reveal() == "hunter2"
    assert url.password.reference == f"file:{tmp_path}/pw"
    assert url.query == (("region", "x"),)
    assert "a password and a password_file" in faults(f"t://u:p@h?password_file={tmp_path}/pw")
    assert "must be an absolute path" in faults("t://u@h?password_file=pw")
    assert "cannot read the file: No such file" in faults("t://u@h?password_file=/absent/x")
    (tmp_path / "pw").write_bytes(b"\xff")
    assert "not UTF-8" in faults(f"t://u@h?password_file={tmp_path}/pw")
    assert parse(f"t://h?access_key_file={tmp_path}/pw", read=lambda _: "k").params["key"] == Secret("k")
    own = {"t": replace(SPEC, params=(Param(name="password", secret=True),))}
    assert parse("t://u@h?password_file=/x", read=lambda _: "k", specs=own).params == {"password": Secret("k")}


# -- meaning


def test_fields_come_from_the_spec_and_contradictions_are_faults():
    def read(url, found):
        return {"bucket": url.host, "region": None}

    def check(fields, found):
        fields["seen"] = True
        if fields.get("bucket") == "bad":
            found.add("a bad bucket")

    specs = {"t": replace(SPEC, read=read, check=check, params=(*SPEC.params, Param(name="must", required=True)))}
    assert parse("t://b?must=1", specs=specs).fields == {"must": "1", "bucket": "b", "seen": True}
    assert parse("t://b?must=1&bucket=b", specs=specs).fields["bucket"] == "b"
    text = faults("t://bad?bucket=other", specs=specs)
    assert "'bucket' contradicts" in text
    assert "missing required field: 'must'" in text
    assert "a bad bucket" in text
    assert "a bad bucket" not in faults("t://bad:0", specs=specs)


# -- showing


def test_nothing_secret_shows():
    url = parse("s3://AKIAIOSFODNN7EXAMPLE:hunter2@h:9000/a%20b?key=hunter3&region=x/y&flag=on")
    shown = f"{url} {url!r} {url.fields} {url.query} {[url]}"
    assert "hunter" not in shown
    assert "IOSFODNN7EXAMPLE" not in shown
    assert str(url) == "s3://AKIA***:***@h:9000/a%20b?key=***&region=x/y&flag=on"
    assert str(parse("t://us%40er:x@[::1]:1")) == "t://us@er:***@[::1]:1"
    assert str(parse("t://h/")) == "t://h/"


@pytest.mark.parametrize(
    "text",
    [
        "t://us%40er:p%40%2Fss@[::1]:90/a%20b//c%25/?region=a%26b&key=x%3D",
        "t://:x@h",
        "t://u@h",
        "t://h/a:b@c",
        "s3://K:s@h/",
        "t://u:@h",
    ],
)
def test_reveal_is_the_way_out(text):
    url = parse(text)
    assert parse(url.reveal()) == url
    assert parse(url.reveal()).reveal() == url.reveal()


def test_data():
    url = StoreURL(scheme="data", segments=("data:text/plain;base64," + "QUJD" * 20,))
    assert url.reveal().endswith("QUJD")
    assert len(str(url)) == 41
    assert str(StoreURL(scheme="data", segments=("data:,hi",))) == "data:,hi"
    assert str(StoreURL(scheme="data")) == "data:,"


def test_pickling(monkeypatch):
    monkeypatch.setenv("HOLDALL_PW", "hunter2")
    url = parse("t://u:${HOLDALL_PW}@h/x?key=${HOLDALL_PW}&flag=on", {"HOLDALL_PW": "hunter2"})
    data = pickle.dumps(url)
    assert b"hunter2" not in data
    assert pickle.loads(data) == url
    assert copy.deepcopy(url) == url
    with pytest.raises(ConfigError, match="literal secret"):
        pickle.dumps(parse("t://u:hunter2@h"))
    with pytest.raises(ConfigError, match="literal secret"):
        pickle.dumps(parse("t://h?key=x"))


def test_equality():
    assert parse("t://u:p@h/a") == parse("T://u:%70@H/a")
    assert hash(parse("t://u:p@h/a")) == hash(parse("t://u:%70@h/a"))
    assert parse("t://u:p@h/a") != parse("t://u:q@h/a")


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("S3://b", "s3"),
        ("fsspec+s3://b", "fsspec+s3"),
        ("C:/x", None),
        ("C:\\x", None),
        ("m:a", None),
        ("DATA:,x", "data"),
        ("/a://b", None),
        ("", None),
    ],
)
def test_schemes(text, scheme):
    assert url_scheme(text) == scheme


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("s3.localhost", True),
        ("127.3.4.5", True),
        ("::1", True),
        ("localhost.org", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_loopback(host, here):
    assert is_loopback(host) is here


@given(st.text(max_size=40))
def test_any_text_parses_or_is_a_config_error(text):
    try:
        url = parse("t://" + text)
    except ConfigError:
        return
    assert parse(url.reveal(), expanded=True) == url
