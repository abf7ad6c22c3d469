"""Every setting, typed and read from the environment once; all mistakes are reported at once.

The default beside each knob is the embedded one: SQLite and a private Redis-protocol server, no
services needed. The README's table of settings is made from this class (`make settings`).
"""

import difflib
import hashlib
import importlib.util
import json
import os
import re
import secrets
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit

import dj_database_url
import dj_email_url
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from accounts.viewer import SCOPES, SPECIAL, is_scope

Words = Annotated[tuple[str, ...], NoDecode]
"""Several words in one variable, separated by commas."""

Algorithm = Literal["RS256", "RS512", "PS256", "ES256", "ES512", "EdDSA", "HS256", "HS512"]

SOCKET_PATH_BYTES = 103  # macOS allows fewer than Linux
KEY_LENGTH = 50
KEY_LETTERS = 10  # different ones, which fifty random ones have in any alphabet

URLS = {
    "public_url": (r"https?://[^/]+$", "https://downbeat.example.org (no path, no final slash)"),
    "broker_url": (
        r"(redis|rediss|unix|redis\+socket|amqps?)://.",
        "redis://host:6379/0 or amqp://user:password@host//",
    ),
    "redis_url": (r"(redis|rediss|unix)://.", "redis://host:6379/0"),
    "email_url": (
        r"(smtp|submission)://[^/]|console:",
        "submission://user:password@host:587, smtp://host:25 or console:",
    ),
    "app_url": (r"https?://.*[^/]$", "https://app.example.org (no final slash)"),
}

# As browsers write an origin: in lower case, an international name in its ASCII form.
_ORIGIN = re.compile(r"(https?)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
_OWN_PORTS = {"http": "80", "https": "443"}


class ConfigError(SystemExit):
    """The environment is wrong; the message lists every mistake."""


class Config(BaseSettings):
    """The settings of one process, from its environment or a `.env` file."""

    model_config = SettingsConfigDict(env_file=".env", extra="forbid", frozen=True)

    downbeat_home: Path = Field(
        Path(".downbeat"), description="Folder of the embedded state: database, files, secret key."
    )
    host: str = Field("127.0.0.1", description="Address the service listens on.")
    port: int = Field(8000, ge=1, le=65535, description="The one port.")
    public_url: str | None = Field(
        None,
        description="Scheme and host that clients see, for URLs of files; empty: the request's.",
    )
    debug: bool = Field(
        False,
        description="Development: debug pages, exceptions' messages in logs. Never in public.",
    )
    secret_key: str | None = Field(
        None,
        description="Signs URLs of files and sessions; empty: made once and kept in DOWNBEAT_HOME.",
    )
    secret_key_fallbacks: Words = Field(
        (), description="Earlier SECRET_KEYs whose signatures and sessions are still good."
    )
    allowed_hosts: Words = Field(
        ("localhost", "127.0.0.1", "[::1]"), description="Host names that requests may name."
    )
    hsts_seconds: int = Field(
        31_536_000,
        ge=0,
        description="How long browsers come by HTTPS alone, where PUBLIC_URL is https; 0: unsaid.",
    )
    cors_origins: Words = Field(
        (),
        description="Origins of SPAs that may call and sign in, as browsers send them "
        "(https://app.example.org); the one list for CORS, CSRF and WebSockets.",
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="How many proxies of yours, each adding to X-Forwarded-For, stand before the "
        "service; 0: forwarded headers are not believed.",
    )
    sign_up: bool = Field(False, description="Whether anybody may make an account.")
    email_url: str | None = Field(
        None,
        description="submission://user:password@host:587 or smtp://host:25; console: prints mails, "
        "with their secrets, into the log; empty: no mail, so no password reset.",
    )
    email_from: str | None = Field(None, description="Whom mails come from; needed to send any.")
    app_url: str | None = Field(
        None, description="Where your SPA is, for links in mails; needed to send any."
    )
    database_url: str | None = Field(
        None, description="postgres://user:password@host/name; empty: SQLite in DOWNBEAT_HOME."
    )
    broker_url: str | None = Field(
        None,
        description="redis://... or amqp://... that carries the knocks; empty: REDIS_URL.",
    )
    redis_url: str | None = Field(
        None,
        description="redis://...; empty: the embedded server, started by `make up`.",
    )
    task_packages: Words = Field(
        ("tasks.definitions",), description="Packages whose modules declare tasks."
    )
    extra_apps: Words = Field((), description="Django apps whose models the tasks use.")
    type_names: Annotated[dict[str, str], NoDecode] = Field(
        {}, description='Renames a model in the schema: {"acme.jobs.Report": "AcmeReport"}.'
    )
    introspection: bool | None = Field(
        None,
        description="Whether anybody may introspect the schema and use GraphiQL, not only staff; "
        "empty: while the service is embedded and not public.",
    )
    trusted_documents: Path | None = Field(
        None,
        description="A JSON file of the only documents to execute (of others than staff), as "
        "clients' build tools write it.",
    )
    requests_per_minute: int = Field(
        6_000, ge=0, description="Requests of one viewer in one web process; 0: no limit."
    )
    cost_per_minute: int = Field(
        600_000,
        ge=0,
        description="Cost of these together (`limits` tells what costs how much); 0: no limit.",
    )
    anonymous_per_minute: int = Field(
        600,
        ge=0,
        description="Requests of one address that are not signed in, or by a false credential.",
    )
    queued_runs: int = Field(
        10_000, ge=1, description="Runs of one owner that may wait for their start at once."
    )
    group_readers: bool = Field(
        False, description="Whether members of a common group may read each other's runs."
    )
    jwt_issuer: str | None = Field(
        None, description="The `iss` of bearer JWTs of an identity provider; empty: none are taken."
    )
    jwt_audience: str | None = Field(None, description="The `aud` that they must name: this API.")
    jwt_algorithm: Algorithm = Field(
        "RS256", description="The one algorithm with which they are signed."
    )
    jwt_jwks_url: str | None = Field(
        None, description="Where the provider publishes its keys: https://.../jwks.json."
    )
    jwt_key: str | None = Field(
        None,
        description="Instead of that: its public key as PEM, with \\n for line breaks, or the "
        "secret of HS256.",
    )
    jwt_scopes: Words = Field(
        ("runs:read", "tasks:start", "runs:cancel", "runs:delete"),
        description="What whoever comes by such a JWT may do.",
    )
    request_size: int = Field(
        262_144, ge=1_024, description="Bytes of a GraphQL request's body, at most."
    )
    upload_size: int = Field(2**30, ge=0, description="Bytes of a file, at most.")
    upload_seconds: int = Field(
        3_600, ge=1, description="Seconds in which an upload must be complete."
    )
    open_uploads: int = Field(
        100, ge=1, description="Uploads of one owner that may be promised and not complete at once."
    )
    stored_bytes: int = Field(
        10 * 2**30,
        ge=0,
        description="Bytes of files that one owner may have, promised uploads included.",
    )
    web_threads: int = Field(4, ge=1, description="Threads that run Django in one web process.")
    web_queue: int = Field(
        64, ge=0, description="Requests that may wait for a thread; one more is answered 503."
    )
    watches_per_user: int = Field(
        100, ge=1, description="Streams and waits that one user may have open in one web process."
    )
    worker_processes: int = Field(2, ge=1, description="Runs that one worker performs at once.")
    lease_seconds: float = Field(
        30, gt=0, description="How long a worker may hold a run without a sign of life."
    )
    heartbeat_seconds: float = Field(10, gt=0, description="Time between two signs of life.")
    ring_seconds: float = Field(
        60, gt=0, description="How long a queued run waits before the conductor rings again."
    )
    recover_seconds: float = Field(
        5, gt=0, description="Time between two searches for runs whose worker died."
    )
    cancel_grace_seconds: float = Field(
        10, ge=0, description="Time for a running task to notice a cancel; then its process ends."
    )
    shutdown_seconds: float = Field(
        25, ge=0, description="Time for running work at SIGTERM; then it is given back."
    )
    retention_days: int = Field(
        30, ge=0, description="Days that final runs and unused uploads are kept; 0: for ever."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least severe line that is logged; of libraries INFO at least."
    )
    log_format: Literal["json", "text"] | None = Field(
        None, description="json, text; empty: json with a PostgreSQL server, else text."
    )

    @field_validator(
        *("secret_key_fallbacks", "allowed_hosts", "cors_origins", "jwt_scopes"),
        *("task_packages", "extra_apps"),
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value

    @field_validator("type_names", mode="before")
    @classmethod
    def _read_json(cls, value: Any) -> Any:
        if not isinstance(value, str) or not value:
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError('write a JSON object, such as {"acme.jobs.Report": "A"}') from None

    @field_validator("*", mode="before")
    @classmethod
    def _empty_means_default(cls, value: Any, info: Any) -> Any:
        if value == "":
            return cls.model_fields[info.field_name].get_default()
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @field_validator("public_url", "broker_url", "redis_url", "email_url", "app_url")
    @classmethod
    def _known_scheme(cls, value: str | None, info: ValidationInfo) -> str | None:
        pattern, example = URLS[str(info.field_name)]
        if value is not None and not re.match(pattern, value):
            raise ValueError(f"write it like {example}")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if "*" in origin:
                raise ValueError(
                    "name each origin; with a wildcard any page could act for whoever is signed in"
                )
            found = _ORIGIN.fullmatch(origin)
            if found is None or int(found[2] or 0) > 65_535:
                raise ValueError(
                    f"{origin!r} is no origin: write https://app.example.org or "
                    "http://localhost:5173, in lower case, without a path or a final slash"
                )
            if found[2] == _OWN_PORTS[found[1]]:
                raise ValueError(f"{origin!r}: browsers leave the port out, so leave it out too")
        return value

    @field_validator("email_url")
    @classmethod
    def _known_mail_server(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                dj_email_url.parse(value)
            except ValueError:
                raise ValueError(f"write it like {URLS['email_url'][1]}") from None
        return value

    @field_validator("secret_key")
    @classmethod
    def _not_guessable(cls, value: str | None) -> str | None:
        if value is not None and (
            value.startswith("django-insecure-")
            or len(value) < KEY_LENGTH
            or len(set(value)) < KEY_LETTERS
        ):
            raise ValueError(
                f"too easy to guess: take {KEY_LENGTH} random characters or more, as from "
                "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"
            )
        return value

    @field_validator("extra_apps")
    @classmethod
    def _importable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for app in value:
            if importlib.util.find_spec(app.partition(".")[0]) is None:
                raise ValueError(f"there is no module {app.partition('.')[0]!r} to import")
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith(("postgres://", "postgresql://", "sqlite:///")):
            raise ValueError("use postgres://user:password@host/name or sqlite:///path")
        dj_database_url.parse(value)
        return value

    @field_validator("jwt_key")
    @classmethod
    def _with_lines(cls, value: str | None) -> str | None:
        return None if value is None else value.replace("\\n", "\n")

    @field_validator("jwt_jwks_url")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        if value is not None and not re.match(
            r"https://.|http://(127\.0\.0\.1|localhost)[:/]", value
        ):
            raise ValueError(
                "use https://, so that nobody on the way can put keys of his own there"
            )
        return value

    @field_validator("jwt_scopes")
    @classmethod
    def _known_scopes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for word in value:
            if not is_scope(word) or word in SPECIAL:
                raise ValueError(f"{word!r} is no scope for everybody: use {', '.join(SCOPES)}")
        return value

    @model_validator(mode="after")
    def _jwt_is_complete(self) -> Self:
        if self.jwt_issuer is None:
            return self
        if self.jwt_audience is None:
            raise ValueError(
                "JWT_AUDIENCE must be set beside JWT_ISSUER: else JWTs for others count"
            )
        if (self.jwt_key is None) == (self.jwt_jwks_url is None):
            raise ValueError("set JWT_JWKS_URL or JWT_KEY beside JWT_ISSUER, and not both")
        is_secret = self.jwt_algorithm.startswith("HS")
        if is_secret and (
            self.jwt_key is None or len(self.jwt_key) < 32 or "KEY--" in self.jwt_key
        ):
            raise ValueError(
                f"{self.jwt_algorithm} takes a secret of at least 32 letters in JWT_KEY, and no PEM"
            )
        if not is_secret and self.jwt_key is not None and "PUBLIC KEY--" not in self.jwt_key:
            raise ValueError(f"{self.jwt_algorithm} takes a public key as PEM in JWT_KEY")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise ValueError(
                "HEARTBEAT_SECONDS must be at most half of LEASE_SECONDS, else living workers "
                "lose their runs"
            )
        if self.is_grown and self.secret_key is None:
            raise ValueError(
                "SECRET_KEY must be set when DATABASE_URL names a PostgreSQL server: all hosts "
                "need the same one"
            )
        if self.email_url is not None and (self.email_from is None or self.app_url is None):
            raise ValueError(
                "EMAIL_FROM and APP_URL must be set when EMAIL_URL is: mails come from the one and "
                "have links to the other"
            )
        if "*" in self.allowed_hosts and self.public_url is None and not self.debug:
            raise ValueError(
                "ALLOWED_HOSTS=* lets whoever asks choose the host in URLs of files: name the "
                "hosts, or set PUBLIC_URL"
            )
        if self.debug and self.is_https:
            raise ValueError(
                "DEBUG must be off where PUBLIC_URL is https: its pages show code and settings to "
                "whoever causes an error"
            )
        return self

    @property
    def is_grown(self) -> bool:
        """Whether state lives on a database server rather than in one folder."""
        return (self.database_url or "").startswith("postgres")

    @property
    def is_public(self) -> bool:
        """Whether others than the people of this machine are to be expected."""
        return self.is_grown or self.is_https

    @property
    def anybody_may_introspect(self) -> bool:
        return not self.is_public if self.introspection is None else self.introspection

    @property
    def logs_json(self) -> bool:
        """Whether each line of output is a JSON object: machines read it where there are many."""
        return self.log_format == "json" or (self.log_format is None and self.is_grown)

    @cached_property
    def home(self) -> Path:
        return self.downbeat_home.expanduser().resolve()

    @property
    def is_https(self) -> bool:
        """Whether clients come by HTTPS: a proxy before this process speaks it."""
        return (self.public_url or "").startswith("https://")

    @property
    def public_origin(self) -> str | None:
        """The origin of our own pages, as a browser says it."""
        parts = urlsplit(self.public_url or "")
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else None

    @property
    def redis_socket(self) -> Path:
        """Where the embedded Redis-protocol server listens.

        The kernel limits the length of such a path, and URLs its letters: a home that does not
        fit gets a short folder of its own, in the same place whatever TMPDIR says.
        """
        path = self.home / "redis.sock"
        if len(bytes(path)) <= SOCKET_PATH_BYTES and quote(str(path)) == str(path):
            return path
        name = hashlib.sha256(f"{os.getuid()} {self.home}".encode()).hexdigest()[:12]
        return Path("/tmp") / f"downbeat-{name}" / "redis.sock"  # nosec B108 # noqa: S108 - the owner is checked

    @property
    def redis(self) -> str:
        return self.redis_url or f"unix://{self.redis_socket}"

    @property
    def broker(self) -> str:
        """The broker's URL in kombu's spelling."""
        url = self.broker_url or self.redis
        return "redis+socket://" + url.removeprefix("unix://") if url.startswith("unix") else url

    @property
    def needs_embedded_redis(self) -> bool:
        return self.redis_url is None and self.broker_url is None

    def secret(self) -> str:
        """SECRET_KEY, or the one made for this home at first use (readable by its owner alone)."""
        if self.secret_key is not None:
            return self.secret_key
        path = self.home / "secret_key"
        if not path.exists():
            self.home.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(f".{secrets.token_hex(4)}")
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(50), encoding="ascii")
            try:
                path.hardlink_to(draft)  # the first of two processes wins
            except FileExistsError:
                return path.read_text(encoding="ascii")
            finally:
                draft.unlink()
        return path.read_text(encoding="ascii")


def load() -> Config:
    """The settings, or ConfigError with one line for each mistake."""
    try:
        return Config()
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None
    except UnicodeDecodeError:
        raise ConfigError("The file .env is no UTF-8 text: save it as UTF-8.") from None


def _explain(error: ValidationError) -> str:
    lines = ["The settings in the environment or .env are wrong:"]
    for mistake in error.errors(include_url=False):
        name = ".".join(str(part) for part in mistake["loc"]).upper()
        is_secret = not name or "_KEY" in name or name.endswith("_URL")  # passwords
        given = "" if is_secret else f" (given: {mistake['input']!r})"
        message = mistake["msg"].removeprefix("Value error, ")
        if mistake["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name.lower(), Config.model_fields, 1)
            message = "no setting of Downbeat" + (f": {near[0].upper()}?" if near else "")
        lines.append(f"  {name + ': ' if name else ''}{message}{given}")
    return "\n".join(lines)
