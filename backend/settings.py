"""Django's settings, all derived from backend.config."""

from pathlib import Path
from typing import Any

import dj_database_url
from corsheaders.defaults import default_headers

from backend import config as _config

CONFIG = _config.load()

SECRET_KEY = CONFIG.secret()
DEBUG = CONFIG.debug
ALLOWED_HOSTS = list(CONFIG.allowed_hosts)
ROOT_URLCONF = "backend.urls"
WSGI_APPLICATION = None
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
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
    "graphene_django",
    "accounts",
    "tasks",
    "schema",
    *CONFIG.extra_apps,
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
            "options": "-c lock_timeout=3s -c statement_timeout=30s",
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

CORS_ALLOWED_ORIGINS = list(CONFIG.cors_origins)
CORS_ALLOW_CREDENTIALS = False
CORS_ALLOW_HEADERS = [*default_headers, "range", "if-range"]
CORS_EXPOSE_HEADERS = ["Accept-Ranges", "Content-Disposition", "Content-Range", "ETag"]
CORS_URLS_REGEX = r"^/(graphql|uploads/.*|files/.*|schema\.graphql)$"

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# The embedded service speaks plain HTTP on this machine, where the admin must work too.
_IS_PUBLIC = CONFIG.is_grown or (CONFIG.public_url or "").startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _IS_PUBLIC and not DEBUG
# Behind a proxy that speaks TLS a page of our own comes from another origin than we see.
CSRF_TRUSTED_ORIGINS = [CONFIG.public_origin] if CONFIG.public_origin else []
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = CONFIG.request_size

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": CONFIG.log_level},
    "loggers": {
        "django.request": {"level": "ERROR"},  # a client's 4xx is the client's business
        "django.security.DisallowedHost": {"level": "CRITICAL"},  # so is its Host header
        "downbeat.websocket": {"level": "WARNING"},  # uvicorn tells of each one that comes
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},  # the run's own events say the same, durably
    },
}

# What the tasks and the schema read, under the names of the settings table.
TASK_PACKAGES = CONFIG.task_packages
TYPE_NAMES = CONFIG.type_names
PUBLIC_URL = CONFIG.public_url
REQUEST_SIZE = CONFIG.request_size
UPLOAD_SIZE = CONFIG.upload_size
UPLOAD_SECONDS = CONFIG.upload_seconds
OPEN_UPLOADS = CONFIG.open_uploads
STORED_BYTES = CONFIG.stored_bytes
INTROSPECTION = CONFIG.introspection
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
