"""A JWT counts when the agreed issuer has signed it, as agreed, for us, and while it is in time."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import identity_provider
from accounts.credentials import from_authorization, still_valid
from accounts.identity_provider import IdentityProvider, Keys, ProviderAway
from accounts.models import User
from accounts.viewer import RUNS_READ, BadCredential

pytestmark = pytest.mark.django_db

ISSUER, AUDIENCE = "https://login.example.org/", "downbeat"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = (
    KEY.public_key()
    .public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    .decode()
)  # fmt: skip


def claims(**changes: Any) -> dict[str, Any]:
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 300}
    return {name: value for name, value in (usual | changes).items() if value is not None}


def signed(key: Any = KEY, algorithm: str = "RS256", kid: str = "one", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm, headers={"kid": kid})


def part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


@pytest.fixture(autouse=True)
def _provider(settings: Settings) -> Iterator[None]:
    settings.JWT_ISSUER, settings.JWT_AUDIENCE = ISSUER, AUDIENCE
    settings.JWT_ALGORITHM, settings.JWT_KEY = "RS256", PEM
    settings.JWT_JWKS_URL, settings.JWT_SCOPES = None, (RUNS_READ,)
    identity_provider._provider.cache_clear()
    yield
    identity_provider._provider.cache_clear()


def test_a_true_one_signs_its_subject_in(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    viewer = from_authorization(f"Bearer {signed(name='Ada Lovelace')}")
    assert viewer.user.display_name == "Ada Lovelace"
    assert (viewer.user.issuer, viewer.user.subject) == (ISSUER, "ada")
    assert viewer.scopes == {RUNS_READ}
    with django_assert_num_queries(1):
        assert from_authorization(f"Bearer {signed()}").user_id == viewer.user_id
    assert from_authorization(f"Bearer {signed(sub='grace')}").user_id != viewer.user_id


@pytest.mark.parametrize("exp", [253_402_300_799, 10**18, 1e300])
def test_one_that_ends_after_all_dates_is_taken_to_the_last(exp: float) -> None:
    viewer = from_authorization(f"Bearer {signed(exp=exp)}")
    assert viewer.expires_at is not None
    assert viewer.expires_at.year == 9999
    assert viewer.credential is not None
    assert still_valid([viewer.credential]) == {viewer.credential: viewer}


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "", 5, ["Ada"]])
def test_a_name_that_is_none_is_left_out(name: Any) -> None:
    assert from_authorization(f"Bearer {signed(name=name)}").user.first_name == ""


def hmac_by_the_public_key(kid: str = "one") -> str:
    """The old confusion: a public key taken as the secret of HS256 (RFC 8725, section 2.1)."""
    head, body = part({"alg": "HS256", "typ": "JWT", "kid": kid}), part(claims())
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = algorithm.sign(f"{head}.{body}".encode(), PEM.encode())
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def another_payload() -> str:
    head, _, signature = signed().split(".")
    return f"{head}.{part(claims(sub='root'))}.{signature}"


FALSE: dict[str, Callable[[], str]] = {
    "forged": lambda: signed(OTHER_KEY),
    "another payload": another_payload,
    "expired": lambda: signed(exp=int(time.time()) - 60),
    "never expires": lambda: signed(exp=None),
    "not valid yet": lambda: signed(nbf=int(time.time()) + 600),
    "another audience": lambda: signed(aud="billing"),
    "no audience": lambda: signed(aud=None),
    "another issuer": lambda: signed(iss="https://evil.example/"),
    "no issuer": lambda: signed(iss=None),
    "no subject": lambda: signed(sub=None),
    "an empty subject": lambda: signed(sub=""),
    "a number as subject": lambda: signed(sub=1),
    "NUL in the subject": lambda: signed(sub="a\0b"),
    "alg none": lambda: f"{part({'alg': 'none'})}.{part(claims())}.",
    "alg None": lambda: f"{part({'alg': 'None'})}.{part(claims())}.",
    "alg none with a signature": lambda: f"{part({'alg': 'none'})}.{part(claims())}.c2ln",
    "no alg": lambda: f"{part({})}.{part(claims())}.c2ln",
    "HS256 by the public key": hmac_by_the_public_key,
    "another algorithm": lambda: signed(algorithm="RS512"),
    "another kind of key": lambda: signed(ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "crit": lambda: jwt.encode(claims(), KEY, "RS256", headers={"crit": ["x"], "x": 1}),
    "no signature": lambda: signed().rpartition(".")[0] + ".",
    "two parts": lambda: signed().rpartition(".")[0],
    "five parts": lambda: f"{signed()}.a.b",
    "no base64": lambda: "a.b.c",
    "deep JSON": lambda: f"{base64.urlsafe_b64encode(b'[' * 3_000).decode()}.e30.c2ln",
    "a payload that is a list": lambda: "eyJhbGciOiJSUzI1NiJ9.W10.c2ln",
    "too long": lambda: signed(extra="x" * 10_000),
    "no JWT": lambda: "x",
}  # fmt: skip


@pytest.mark.parametrize("name", FALSE)
def test_a_false_one_opens_nothing(name: str) -> None:
    with pytest.raises(BadCredential):
        from_authorization(f"Bearer {FALSE[name]()}")
    assert not User.objects.exists()


def test_without_a_provider_none_is_taken(settings: Settings) -> None:
    settings.JWT_ISSUER = None
    identity_provider._provider.cache_clear()
    with pytest.raises(BadCredential, match="unknown"):
        from_authorization(f"Bearer {signed()}")


def test_who_was_deactivated_is_refused_and_what_is_open_ends() -> None:
    viewer = from_authorization(f"Bearer {signed()}")
    assert viewer.credential is not None
    assert still_valid([viewer.credential]) == {viewer.credential: viewer}
    User.objects.update(is_active=False)
    assert still_valid([viewer.credential]) == {}
    with pytest.raises(BadCredential, match="deactivated"):
        from_authorization(f"Bearer {signed()}")


def test_what_is_open_ends_when_the_token_has_expired() -> None:
    viewer = from_authorization(f"Bearer {signed(exp=int(time.time()) - 15)}")  # within the leeway
    assert viewer.credential is not None
    assert viewer.credential in still_valid([viewer.credential])
    user, end = viewer.credential.key.split(" ")
    past = viewer.credential._replace(key=f"{user} {int(end) - 16}")
    assert still_valid([past]) == {}


class Published(BaseHTTPRequestHandler):
    """A provider that publishes its keys."""

    keys: ClassVar[dict[str, Any]] = {}
    asked: ClassVar[list[str]] = []
    is_away: ClassVar[bool] = False

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        body = json.dumps({"keys": [{"kid": kid, **k} for kid, k in self.keys.items()]}).encode()
        self.send_response(500 if self.is_away else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def published(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Published]]:
    monkeypatch.setattr(Published, "asked", [])
    monkeypatch.setattr(Published, "is_away", False)
    monkeypatch.setattr(Published, "keys", {"one": as_jwk(KEY)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), Published)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    settings.JWT_KEY, settings.JWT_JWKS_URL = None, f"http://127.0.0.1:{server.server_port}/jwks"
    identity_provider._provider.cache_clear()
    yield Published
    server.shutdown()
    server.server_close()


def as_jwk(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    return dict(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True))


def test_keys_are_fetched_once_and_found_by_their_ids(published: type[Published]) -> None:
    for _ in range(3):
        assert from_authorization(f"Bearer {signed()}")
    assert published.asked == ["/jwks"]
    for name in ("forged", "alg none", "HS256 by the public key", "another algorithm"):
        with pytest.raises(BadCredential):
            from_authorization(f"Bearer {FALSE[name]()}")


def test_an_unknown_key_makes_us_ask_again_but_not_each_time(published: type[Published]) -> None:
    clock = [1_000.0]
    provider = provided(clock)
    assert provider.claims(signed())["sub"] == "ada"
    for _ in range(5):
        with pytest.raises(BadCredential, match="publish"):
            provider.claims(signed(kid="two"))
    assert len(published.asked) == 1
    published.keys["two"] = as_jwk(OTHER_KEY)
    clock[0] += identity_provider.PAUSE_SECONDS
    assert provider.claims(signed(OTHER_KEY, kid="two"))["sub"] == "ada"
    assert len(published.asked) == 2


def test_a_key_that_is_published_no_longer_ends(published: type[Published]) -> None:
    clock = [1_000.0]
    provider = provided(clock)
    assert provider.claims(signed())
    published.keys.clear()
    published.keys["two"] = as_jwk(OTHER_KEY)
    clock[0] += identity_provider.FRESH_SECONDS + 1
    with pytest.raises(BadCredential, match="publish"):
        provider.claims(signed())


def test_a_provider_that_is_away_is_not_the_clients_fault(
    published: type[Published], caplog: pytest.LogCaptureFixture
) -> None:
    published.is_away = True
    clock = [1_000.0]
    provider = provided(clock)
    for _ in range(3):
        with pytest.raises(ProviderAway):
            provider.claims(signed())
    assert len(published.asked) == 1  # not a wait for each request
    assert [record.getMessage() for record in caplog.records] == [
        "JWT_JWKS_URL: no keys could be fetched (PyJWKClientConnectionError)."
    ]
    published.is_away = False
    clock[0] += identity_provider.PAUSE_SECONDS
    assert provider.claims(signed())
    published.is_away = True
    clock[0] += identity_provider.FRESH_SECONDS + 1
    assert provider.claims(signed())  # by the keys that are known
    clock[0] += identity_provider.STALE_SECONDS
    with pytest.raises(ProviderAway):
        provider.claims(signed())


def test_a_slow_provider_holds_one_thread_alone() -> None:
    clock, answer, asked = [1_000.0], threading.Event(), threading.Event()

    def fetch() -> dict[str, Any]:
        asked.set()
        assert answer.wait(10)
        return {"keys": [as_jwk(KEY) | {"kid": "one"}]}

    keys = Keys(fetch, "RS256", lambda: clock[0])
    answer.set()
    assert keys.get("one")
    answer.clear()
    asked.clear()
    clock[0] += identity_provider.FRESH_SECONDS + 1
    with ThreadPoolExecutor(2) as threads:
        try:
            slow = threads.submit(keys.get, "one")
            assert asked.wait(10)
            assert threads.submit(keys.get, "one").result(5)  # by what is known
            with pytest.raises(ProviderAway):  # nobody can tell yet
                threads.submit(keys.get, "two").result(5)
        finally:
            answer.set()
        assert slow.result(5)


def test_the_first_keys_are_waited_for() -> None:
    answer, asked = threading.Event(), threading.Event()

    def fetch() -> dict[str, Any]:
        asked.set()
        assert answer.wait(10)
        return {"keys": [as_jwk(KEY) | {"kid": "one"}]}

    keys = Keys(fetch, "RS256")
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(keys.get, "one")
        assert asked.wait(10)
        second = threads.submit(keys.get, "one")
        answer.set()
        assert first.result(5) is second.result(5)


def provided(clock: list[float]) -> IdentityProvider:
    from django.conf import settings

    url = str(settings.JWT_JWKS_URL)
    fetch = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=3).fetch_data
    keys = Keys(fetch, "RS256", lambda: clock[0])
    return IdentityProvider(
        issuer=ISSUER, audience=AUDIENCE, algorithm="RS256", key=None, keys=keys
    )


@pytest.mark.parametrize(
    "more",
    [
        {"alg": "none"}, {"alg": "HS256"}, {"use": "enc"}, {"kty": "oct"}, {"kty": 1},
        {"kty": "oct", "k": "YQ"}, {"crv": "P-256", "kty": "EC"},
        {"n": 1}, {"n": "!!"}, {"kid": 1}, {"kid": None},
    ],
)  # fmt: skip
def test_a_strange_key_beside_ours_changes_nothing(
    published: type[Published], more: dict[str, Any]
) -> None:
    published.keys["strange"] = {**as_jwk(OTHER_KEY), **more}
    assert from_authorization(f"Bearer {signed()}")
    with pytest.raises(BadCredential):
        from_authorization(f"Bearer {hmac_by_the_public_key(kid='strange')}")


@pytest.mark.parametrize("answer", [None, [], {}, {"keys": None}, {"keys": {}}, {"keys": 1}, "x"])
def test_what_is_no_set_of_keys_is_a_provider_that_is_away(answer: Any) -> None:
    keys = Keys(lambda: answer, "RS256")
    with pytest.raises(ProviderAway):
        keys.get("one")


def test_a_key_for_another_purpose_signs_nothing(published: type[Published]) -> None:
    published.keys["enc"] = {**as_jwk(OTHER_KEY), "use": "enc"}
    with pytest.raises(BadCredential, match="publish"):
        from_authorization(f"Bearer {signed(OTHER_KEY, kid='enc')}")
