"""Every setting, typed and read from the environment once; all mistakes are reported at once.

The default beside each knob is the embedded one: SQLite and a private Redis-protocol server, no
services needed. The README's table of settings is made from this class (`make settings`).
"""

import difflib
import hashlib
import os
import secrets
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from backend.values import (
    Algorithm,
    Apps,
    AppUrl,
    BrokerUrl,
    DatabaseUrl,
    KeysUrl,
    LinesOfText,
    LogLevel,
    MailUrl,
    Origins,
    PublicUrl,
    RedisUrl,
    Scopes,
    SecretKey,
    TypeNames,
    Words,
)

SOCKET_PATH_BYTES = 103  # macOS allows fewer than Linux


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
    public_url: PublicUrl | None = Field(
        None,
        description="Scheme and host that clients see, for URLs of files; empty: the request's.",
    )
    debug: bool = Field(
        False,
        description="Development: debug pages, exceptions' messages in logs. Never in public.",
    )
    secret_key: SecretKey | None = Field(
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
    cors_origins: Origins = Field(
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
    email_url: MailUrl | None = Field(
        None,
        description="submission://user:password@host:587 or smtp://host:25; console: prints mails, "
        "with their secrets, into the log; empty: no mail, so no password reset.",
    )
    email_from: str | None = Field(None, description="Whom mails come from; needed to send any.")
    app_url: AppUrl | None = Field(
        None, description="Where your SPA is, for links in mails; needed to send any."
    )
    database_url: DatabaseUrl | None = Field(
        None, description="postgres://user:password@host/name; empty: SQLite in DOWNBEAT_HOME."
    )
    broker_url: BrokerUrl | None = Field(
        None,
        description="redis://... or amqp://... that carries the knocks; empty: REDIS_URL.",
    )
    redis_url: RedisUrl | None = Field(
        None,
        description="redis://...; empty: the embedded server, started by `make up`.",
    )
    task_packages: Words = Field(
        ("tasks.definitions",), description="Packages whose modules declare tasks."
    )
    extra_apps: Apps = Field((), description="Django apps whose models the tasks use.")
    type_names: TypeNames = Field(
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
    jwt_jwks_url: KeysUrl | None = Field(
        None, description="Where the provider publishes its keys: https://.../jwks.json."
    )
    jwt_key: LinesOfText | None = Field(
        None,
        description="Instead of that: its public key as PEM, with \\n for line breaks, or the "
        "secret of HS256.",
    )
    jwt_scopes: Scopes = Field(
        ("runs:read", "tasks:start", "runs:cancel", "runs:delete"),
        description="What whoever comes by such a JWT may do.",
    )
    request_size: int = Field(
        4_194_304, ge=1_024, description="Bytes of a GraphQL request's body, at most."
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
    log_level: LogLevel = Field(
        "INFO", description="The least severe line that is logged; of libraries INFO at least."
    )
    log_format: Literal["json", "text"] | None = Field(
        None, description="json, text; empty: json with a PostgreSQL server, else text."
    )

    @field_validator("*", mode="before")
    @classmethod
    def _empty_means_default(cls, value: Any, info: Any) -> Any:
        if value == "":
            return cls.model_fields[info.field_name].get_default()
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
