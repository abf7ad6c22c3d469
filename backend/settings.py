"""Django's settings, all derived from backend.config."""

from pathlib import Path
from typing import Any

import dj_database_url
import dj_email_url
from corsheaders.defaults import default_headers

from backend import config as _config
from backend import logs, pages

CONFIG = _config.load()

SECRET_KEY = CONFIG.secret()
SECRET_KEY_FALLBACKS = list(CONFIG.secret_key_fallbacks)
DEBUG = CONFIG.debug
ALLOWED_HOSTS = list(CONFIG.allowed_hosts)
ROOT_URLCONF = "backend.urls"
WSGI_APPLICATION = None
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
FORMAT_MODULE_PATH = "backend.formats"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "backend.people",  # before allauth, whose templates it replaces
    "allauth",
    "allauth.account",
    "allauth.headless",
    "csp",
    "accounts",
    "tasks",
    "schema",
    *CONFIG.extra_apps,
]

MIDDLEWARE = [
    "backend.short_way.ShortWayMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "backend.pages.PagePolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "backend.cors.ExactCorsMiddleware",
    "backend.cors.admin_apart",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def _database() -> dict[str, Any]:
    """SQLite in one folder, or PostgreSQL with the time limits of a service that must answer."""
    url = CONFIG.database_url or f"sqlite:///{CONFIG.home / 'db.sqlite3'}"
    database: dict[str, Any] = {
        **dj_database_url.parse(url),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }
    if CONFIG.is_grown:
        database["OPTIONS"] = {
            **database.get("OPTIONS", {}),
            "connect_timeout": 5,
            "tcp_user_timeout": 15_000,
            "keepalives_idle": 30,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            # The last: a process that froze in a transaction keeps its run from nobody for ever.
            "options": "-c lock_timeout=3s -c statement_timeout=30s"
            " -c idle_in_transaction_session_timeout=5min",
        }
    else:
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",  # a write waits for its turn instead of failing
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
    return database


DATABASES = {"default": _database()}

STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": CONFIG.home / "files", "base_url": None},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STAGING_DIR = CONFIG.home / "files" / "incoming"  # beside the storage, so that a move is a rename
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # the admin's assets, straight from their packages
WHITENOISE_AUTOREFRESH = False
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/web/"  # Vite names these by their content

# GraphiQL, if `make web` has built it. Read at the start, when WhiteNoise lists its assets too.
_WEB = Path(__file__).parents[1] / "web" / "dist"
GRAPHIQL_PAGE: str | None = None
if (_WEB / "graphiql.html").is_file():
    GRAPHIQL_PAGE = (_WEB / "graphiql.html").read_text(encoding="utf-8")
    STATICFILES_DIRS = [("web", _WEB / "web")]

# The one list of origins: for CORS, for CSRF (below), and for WebSockets (backend.live.handshake).
CORS_ALLOWED_ORIGINS = list(CONFIG.cors_origins)
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_HEADERS = [
    *default_headers,
    "range",
    "if-range",
    "x-email-verification-key",
    "x-password-reset-key",
    "traceparent",
    "tracestate",
]
CORS_EXPOSE_HEADERS = [
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Retry-After",
]
CORS_PREFLIGHT_MAX_AGE = 86_400  # seconds; browsers keep it for as long as they like, at most so
CORS_URLS_REGEX = r"^/(graphql|csrf|_allauth/.*|uploads/.*|files/.*|schema\.graphql)$"

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# The embedded service speaks plain HTTP on this machine, where the admin must work too.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CONFIG.is_public and not DEBUG
# Behind a proxy that speaks TLS a page of our own comes from another origin than we see.
CSRF_TRUSTED_ORIGINS = [*CONFIG.cors_origins, *filter(None, [CONFIG.public_origin])]
CSRF_FAILURE_VIEW = "backend.refusals.csrf_failed"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {"DIRECTIVES": pages.POLICY}
X_FRAME_OPTIONS = "DENY"
SECURE_HSTS_SECONDS = CONFIG.hsts_seconds if CONFIG.is_https else 0
SILENCED_SYSTEM_CHECKS = [
    # Other services may live below our host name, perhaps without TLS: that is for the domain's
    # owner to say, not for one service.
    "security.W005",  # SECURE_HSTS_INCLUDE_SUBDOMAINS
    "security.W021",  # SECURE_HSTS_PRELOAD
    # Only the proxy that speaks TLS sees who came without: sent on from here, those whose requests
    # it passes on as plain HTTP would be sent in circles.
    "security.W008",  # SECURE_SSL_REDIRECT
]
DATA_UPLOAD_MAX_MEMORY_SIZE = CONFIG.request_size

# How people sign in: django-allauth, for SPAs alone (backend.people).
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("browser",)
HEADLESS_FRONTEND_URLS = {
    "account_signup": f"{CONFIG.app_url}/account/signup",
    "account_confirm_email": f"{CONFIG.app_url}/account/verify-email/{{key}}",
    "account_reset_password": f"{CONFIG.app_url}/account/password/reset",
    "account_reset_password_from_key": f"{CONFIG.app_url}/account/password/reset/key/{{key}}",
}
ACCOUNT_ADAPTER = "backend.people.adapter.Adapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_PREVENT_ENUMERATION = True
# Who can get mail signs up by an address that is then confirmed: nobody learns who has an account.
# Without mail no address can be confirmed, so none is asked for.
SENDS_MAIL = CONFIG.email_url is not None
ACCOUNT_SIGNUP_FIELDS = ["email*" if SENDS_MAIL else "username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if SENDS_MAIL else "none"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
# Attempts to sign in are counted in the database, for all web processes together: they go on being
# counted, and people can sign in, while Redis is away. A full table would forget who is throttled.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "people_attempts",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
vars().update(dj_email_url.parse(CONFIG.email_url or "dummy:"))
EMAIL_TIMEOUT = 5  # seconds for which a mail server may keep a thread
DEFAULT_FROM_EMAIL = CONFIG.email_from

LOGGING_CONFIG = "backend.logs.configure"
LOGGING = logs.configuration(
    as_json=CONFIG.logs_json,
    level=CONFIG.log_level,
    debug=DEBUG,
    packages=(*CONFIG.task_packages, *CONFIG.extra_apps),
)

# What the tasks and the schema read, under the names of the settings table.
TASK_PACKAGES = CONFIG.task_packages
TYPE_NAMES = CONFIG.type_names
PUBLIC_URL = CONFIG.public_url
APP_URL = CONFIG.app_url
SIGN_UP = CONFIG.sign_up
TRUSTED_PROXIES = CONFIG.trusted_proxies
REQUEST_SIZE = CONFIG.request_size
UPLOAD_SIZE = CONFIG.upload_size
UPLOAD_SECONDS = CONFIG.upload_seconds
INTROSPECTION = CONFIG.anybody_may_introspect
TRUSTED_DOCUMENTS = CONFIG.trusted_documents
REQUESTS_PER_MINUTE = CONFIG.requests_per_minute
COST_PER_MINUTE = CONFIG.cost_per_minute
ANONYMOUS_PER_MINUTE = CONFIG.anonymous_per_minute
QUEUED_RUNS = CONFIG.queued_runs
GROUP_READERS = CONFIG.group_readers
JWT_ISSUER = CONFIG.jwt_issuer
JWT_AUDIENCE = CONFIG.jwt_audience
JWT_ALGORITHM = CONFIG.jwt_algorithm
JWT_JWKS_URL = CONFIG.jwt_jwks_url
JWT_KEY = CONFIG.jwt_key
JWT_SCOPES = CONFIG.jwt_scopes
OPEN_UPLOADS = CONFIG.open_uploads
STORED_BYTES = CONFIG.stored_bytes
WEB_THREADS = CONFIG.web_threads
WEB_QUEUE = CONFIG.web_queue
WATCHES_PER_USER = CONFIG.watches_per_user
WORKER_PROCESSES = CONFIG.worker_processes
LEASE_SECONDS = CONFIG.lease_seconds
HEARTBEAT_SECONDS = CONFIG.heartbeat_seconds
RING_SECONDS = CONFIG.ring_seconds
RECOVER_SECONDS = CONFIG.recover_seconds
CANCEL_GRACE_SECONDS = CONFIG.cancel_grace_seconds
SHUTDOWN_SECONDS = CONFIG.shutdown_seconds
RETENTION_DAYS = CONFIG.retention_days
REDIS_URL = CONFIG.redis
BROKER_URL = CONFIG.broker
CELERY_APP = "backend.celery.app"
