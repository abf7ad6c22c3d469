"""Settings are read once, their mistakes are reported at once, and the default needs nothing."""

import secrets
from pathlib import Path
from typing import Any

import pytest

from backend.config import Config, ConfigError, load

KEY = secrets.token_urlsafe(50)


JWT = {"JWT_ISSUER": "https://login.example/", "JWT_AUDIENCE": "downbeat"}
JWKS = "https://login.example/jwks.json"
PEM = "-----BEGIN PUBLIC KEY-----\\nMIIB\\n-----END PUBLIC KEY-----"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Config.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def read(monkeypatch: pytest.MonkeyPatch, **env: str) -> Config:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return load()


def test_the_default_is_embedded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = read(monkeypatch)
    assert config.home == tmp_path / ".downbeat"
    assert config.needs_embedded_redis
    assert not config.is_grown
    assert config.broker.startswith("redis+socket:///")
    assert config.broker.endswith("/redis.sock")


def test_a_dotenv_file_is_read_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=9001\nHOST=0.0.0.0\n")
    config = read(monkeypatch, PORT="9002")
    assert (config.port, config.host) == (9002, "0.0.0.0")  # noqa: S104 - nothing listens


def test_a_misspelt_setting_in_dotenv_is_refused_with_a_guess(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PROT=9001\nZZZ=1\n")
    with pytest.raises(ConfigError) as caught:
        read(monkeypatch, UNKNOWN_TO_US="fine, for it is somebody else's")
    assert "PROT: no setting of Downbeat: PORT?" in str(caught.value)
    assert "ZZZ: no setting of Downbeat" in str(caught.value)
    assert "UNKNOWN_TO_US" not in str(caught.value)


def test_a_dotenv_file_that_is_no_text_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_bytes(b"PORT=\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        read(monkeypatch)


def test_the_level_of_the_log_may_be_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, LOG_LEVEL="debug").log_level == "DEBUG"


def test_an_empty_value_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    config = read(monkeypatch, PORT="", DATABASE_URL="", CORS_ORIGINS="", TYPE_NAMES="")
    assert (config.port, config.database_url, config.cors_origins) == (8000, None, ())


def test_words_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    config = read(monkeypatch, TASK_PACKAGES="tasks.definitions, acme.jobs,")
    assert config.task_packages == ("tasks.definitions", "acme.jobs")


def test_every_mistake_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as caught:
        read(
            monkeypatch,
            PORT="http",
            BROKER_URL="kafka://host",
            DATABASE_URL="mysql://host/db",
            SECRET_KEY="too short",
            LOG_LEVEL="LOUD",
        )
    message = str(caught.value)
    for name in ("PORT", "BROKER_URL", "DATABASE_URL", "SECRET_KEY", "LOG_LEVEL"):
        assert name in message
    assert "'LOUD'" in message
    assert "too short" not in message


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"DATABASE_URL": "postgres://u:p@h/d"}, "SECRET_KEY must be set"),
        ({"SECRET_KEY": f"django-insecure-{KEY}"}, "SECRET_KEY: too easy to guess"),
        ({"SECRET_KEY": KEY[:49]}, "SECRET_KEY: too easy to guess"),
        ({"SECRET_KEY": "change-me-" * 10}, "SECRET_KEY: too easy to guess"),
        ({"DEBUG": "true", "PUBLIC_URL": "https://example.org"}, "DEBUG must be off"),
        ({"ALLOWED_HOSTS": "example.org,*"}, "name the hosts, or set PUBLIC_URL"),
        ({"HEARTBEAT_SECONDS": "20"}, "at most half of LEASE_SECONDS"),
        ({"PUBLIC_URL": "example.org"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "https://example.org/"}, "PUBLIC_URL"),
        ({"REDIS_URL": "http://host"}, "REDIS_URL"),
        ({"TYPE_NAMES": "no json"}, "TYPE_NAMES"),
        ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS: name each origin; with a wildcard any page"),
        ({"CORS_ORIGINS": "https://*.example.org"}, "CORS_ORIGINS: name each origin"),
        ({"CORS_ORIGINS": "https://a.example,null"}, "'null' is no origin"),
        ({"EMAIL_URL": "http://host"}, "EMAIL_URL: write it like submission://"),
        ({"EMAIL_URL": "smtp://host:port"}, "EMAIL_URL"),
        ({"EMAIL_URL": "smtp://host"}, "EMAIL_FROM and APP_URL must be set"),
        ({"EMAIL_URL": "console:", "EMAIL_FROM": "a@b.example"}, "APP_URL must be set"),
        ({"APP_URL": "app.example.org"}, "APP_URL"),
        ({"APP_URL": "https://app.example.org/"}, "APP_URL"),
        ({"TRUSTED_PROXIES": "-1"}, "TRUSTED_PROXIES"),
        ({"TRUSTED_PROXIES": "yes"}, "TRUSTED_PROXIES"),
        ({"EXTRA_APPS": "nowhere.at_all"}, "there is no module 'nowhere'"),
        ({"JWT_ISSUER": "https://a.example"}, "JWT_AUDIENCE must be set"),
        (JWT, "set JWT_JWKS_URL or JWT_KEY"),
        ({**JWT, "JWT_KEY": "-----BEGIN PUBLIC KEY-----", "JWT_JWKS_URL": JWKS}, "and not both"),
        ({**JWT, "JWT_JWKS_URL": "http://a.example/jwks"}, "JWT_JWKS_URL: use https://"),
        ({**JWT, "JWT_KEY": "a secret of many letters, no PEM"}, "takes a public key as PEM"),
        ({**JWT, "JWT_KEY": "-----BEGIN PRIVATE KEY-----"}, "takes a public key as PEM"),
        ({**JWT, "JWT_ALGORITHM": "none", "JWT_JWKS_URL": JWKS}, "JWT_ALGORITHM"),
        ({**JWT, "JWT_ALGORITHM": "HS256", "JWT_JWKS_URL": JWKS}, "takes a secret"),
        ({**JWT, "JWT_ALGORITHM": "HS256", "JWT_KEY": "short"}, "at least 32 letters"),
        ({**JWT, "JWT_ALGORITHM": "HS256", "JWT_KEY": PEM}, "and no PEM"),
        ({**JWT, "JWT_JWKS_URL": JWKS, "JWT_SCOPES": "admin"}, "'admin' is no scope for everybody"),
        ({**JWT, "JWT_JWKS_URL": JWKS, "JWT_SCOPES": "runs:write"}, "no scope for everybody"),
        ({"QUEUED_RUNS": "0"}, "QUEUED_RUNS"),
        ({"REQUESTS_PER_MINUTE": "-1"}, "REQUESTS_PER_MINUTE"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        read(monkeypatch, **env)


@pytest.mark.parametrize(
    "origin",
    [
        "app.example",
        "//app.example",
        "ftp://app.example",
        "https://",
        "https://app.example/",
        "https://app.example/path",
        "https://app.example?q",
        "https://app.example#f",
        "https://app.example:",
        "https://app.example:99999",
        "https://app.example:443",
        "http://app.example:80",
        "https://user@app.example",
        "https://APP.example",
        "HTTPS://app.example",
        "https://bücher.example",
        "https://app.example https://b.example",
    ],
)
def test_what_no_browser_sends_is_no_origin(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    with pytest.raises(ConfigError, match="CORS_ORIGINS: "):
        read(monkeypatch, CORS_ORIGINS=f"https://good.example,{origin}")


def test_what_browsers_send_is_an_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    origins = (
        "https://app.example.org",
        "http://localhost:5173",
        "http://127.0.0.1",
        "http://[::1]:3000",
        "https://xn--bcher-kva.example:8443",
        "http://app.example:443",
    )
    assert read(monkeypatch, CORS_ORIGINS=" , ".join(origins)).cors_origins == origins


@pytest.mark.parametrize("url", ["submission://a:b%40@h:587", "smtp://h:25?tls=1", "console:"])
def test_mail_is_sent_by_a_server_or_printed(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    env = {"EMAIL_FROM": "a@b.example", "APP_URL": "https://app.example/console"}
    assert read(monkeypatch, EMAIL_URL=url, **env).email_url == url


@pytest.mark.parametrize(
    "env",
    [
        {"JWT_JWKS_URL": JWKS},
        {"JWT_JWKS_URL": "http://127.0.0.1:8080/jwks"},
        {"JWT_KEY": PEM, "JWT_ALGORITHM": "ES256", "JWT_SCOPES": "runs:read,tasks:start:count"},
        {"JWT_KEY": "a secret of many letters, no PEM", "JWT_ALGORITHM": "HS256"},
    ],
)
def test_a_provider_has_one_way_to_its_keys(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str]
) -> None:
    config = read(monkeypatch, **JWT, **env)
    if env.get("JWT_KEY") == PEM:
        assert config.jwt_key == "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"
        assert config.jwt_scopes == ("runs:read", "tasks:start:count")


def test_a_key_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as caught:
        read(monkeypatch, **JWT, JWT_KEY="hush hush", JWT_ALGORITHM="HS256")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("env", "is_open"),
    [
        ({}, True),
        ({"PUBLIC_URL": "http://here.example"}, True),
        ({"PUBLIC_URL": "https://here.example"}, False),
        ({"DATABASE_URL": "postgres://u:p@h/d", "SECRET_KEY": KEY}, False),
        ({"PUBLIC_URL": "https://here.example", "INTROSPECTION": "true"}, True),
        ({"INTROSPECTION": "false"}, False),
    ],
)
def test_introspection_is_for_all_where_the_service_is_not_public(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], is_open: bool
) -> None:
    assert read(monkeypatch, **env).anybody_may_introspect is is_open


def test_a_password_in_a_url_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as caught:
        read(monkeypatch, DATABASE_URL="mysql://ada:hunter2@host/db", BROKER_URL="x://a:hunter2@h")
    with pytest.raises(ConfigError) as mail:
        read(monkeypatch, EMAIL_URL="pop://ada:hunter2@host")
    assert "hunter2" not in str(mail.value)
    assert "hunter2" not in str(caught.value)


def test_the_secret_is_made_once_for_its_owner_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    config = read(monkeypatch)
    secret = config.secret()
    assert len(secret) >= 50
    assert config.secret() == secret == load().secret()
    assert (config.home / "secret_key").stat().st_mode & 0o077 == 0
    assert list(config.home.iterdir()) == [config.home / "secret_key"]


def test_a_given_secret_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    config = read(monkeypatch, SECRET_KEY=KEY)
    assert config.secret() == KEY
    assert not config.home.exists()


def test_random_keys_of_any_alphabet_are_good(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in (KEY, secrets.token_hex(32), "8371026594" * 5):
        assert read(monkeypatch, SECRET_KEY=key).secret() == key


def test_earlier_keys_may_be_weak_but_are_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    config = read(monkeypatch, SECRET_KEY=KEY, SECRET_KEY_FALLBACKS="old,older")
    assert config.secret_key_fallbacks == ("old", "older")
    with pytest.raises(ConfigError) as caught:
        read(monkeypatch, SECRET_KEY=f"django-insecure-{KEY}", PORT="http")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("env", "is_json"),
    [
        ({}, False),
        ({"LOG_FORMAT": "json"}, True),
        ({"DATABASE_URL": "postgres://u:p@h/d", "SECRET_KEY": KEY}, True),
        ({"DATABASE_URL": "postgres://u:p@h/d", "SECRET_KEY": KEY, "LOG_FORMAT": "text"}, False),
    ],
)
def test_a_grown_service_logs_for_machines(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], is_json: bool
) -> None:
    assert read(monkeypatch, **env).logs_json is is_json


@pytest.mark.parametrize(
    ("env", "broker", "embedded"),
    [
        ({"REDIS_URL": "redis://h/1"}, "redis://h/1", False),
        ({"BROKER_URL": "amqp://h//"}, "amqp://h//", False),
        ({"BROKER_URL": "redis://a/1", "REDIS_URL": "redis://b/2"}, "redis://a/1", False),
        ({"REDIS_URL": "unix:///run/r.sock"}, "redis+socket:///run/r.sock", False),
    ],
)
def test_the_broker_is_its_own_url_else_redis(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], broker: str, embedded: Any
) -> None:
    config = read(monkeypatch, **env)
    assert (config.broker, config.needs_embedded_redis) == (broker, embedded)
