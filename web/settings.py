"""Settings of the page, all from the environment; without any it serves this machine alone.

ALLOWED_HOSTS       host names, comma-separated: makes the page public, behind TLS; without it,
                    loopback only
DJANGO_SECRET_KEY   needed where it is public; else one is drawn and kept in the work folder
DATABASE_URL        any database of Django's, such as postgres://user:password@host/name, else
                    SQLite; its driver you install: psycopg[binary] for PostgreSQL, mysqlclient for
                    MySQL and MariaDB
WEB_FOLDER          the work folder: database, pictures, collected static files; build/web without
WEB_UPLOADS         uploads that one visitor may make of one process in a minute, 20 without; all
                    visitors of one address, such as a school's, may make ten times as many
WEB_DISK            gigabytes that all pictures may take; 5 without
WEB_HSTS            seconds for which browsers may open the host by https alone; none without. A
                    browser keeps to it: start with 3600
WEB_DEBUG           1 for who works on the page: style and templates show at once, errors at
                    length; only on this machine
WEB_NETWORKS        stub: something quick takes the networks' place; only on this machine
TRUSTED_PROXY       the address of the proxy in front, whose X-Forwarded-For and -Proto are believed
                    (`serve.py`)

A proxy on the same machine, TRUSTED_PROXY=127.0.0.1. It closes slow connections, and takes an
upload in whole before it passes it on. Of Caddy, which fetches its certificate itself, all of it is

    {
        servers {
            timeouts {
                read_header 10s
                read_body 120s
            }
        }
    }
    pictures.example.org {
        reverse_proxy 127.0.0.1:8000
    }

and nginx needs in its server, beside the certificate,

    client_max_body_size 80m;  # so that the page itself says what was too large
    client_header_timeout 10s;
    client_body_timeout 20s;
    location / {
        proxy_pass http://127.0.0.1:8000;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
    }

Several servers may share one database and one work folder.
"""

import os
from pathlib import Path

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key
from django.db.utils import load_backend

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("WEB_FOLDER", ROOT / "build" / "web")).resolve()
FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
PICTURES = FOLDER / "pictures"
SAMPLES = FOLDER / "samples"

HOSTS = [host.strip() for host in os.environ.get("ALLOWED_HOSTS", "").split(",") if host.strip()]
PUBLIC = bool(HOSTS)
ALLOWED_HOSTS = HOSTS or ["localhost", "127.0.0.1", "[::1]"]
DEBUG = os.environ.get("WEB_DEBUG", "0") == "1"
NETWORKS = os.environ.get("WEB_NETWORKS", "")
if NETWORKS not in ("", "stub"):
    raise ImproperlyConfigured(f"WEB_NETWORKS is {NETWORKS!r}: leave it out, or set it to stub")
STUB = NETWORKS == "stub"
if PUBLIC and (DEBUG or STUB):
    raise ImproperlyConfigured(
        "ALLOWED_HOSTS makes the page public: leave WEB_DEBUG and WEB_NETWORKS out"
    )

UPLOADS_PER_MINUTE = int(os.environ.get("WEB_UPLOADS", "20"))
MOST_BYTES = 20_000_000
MOST_PIXELS = 50_000_000
HOURS = 24  # that a picture is kept
PLACES = 16  # jobs waiting or running in one process
UPLOADS_OF_ADDRESS = 10 * UPLOADS_PER_MINUTE  # a class, or a household, sends from one address
READING_WAIT = 8  # seconds that an upload waits until its file is read
SUGGESTION_WAIT = 2  # seconds that a suggestion waits for the networks
JOB_SECONDS = 300  # that the networks may take for one picture
MOST_DISK = int(1e9 * float(os.environ.get("WEB_DISK", "5")))  # bytes, all pictures together
LEAST_FREE = 300_000_000  # bytes of the disk that stay free


def _secret() -> str:
    if key := os.environ.get("DJANGO_SECRET_KEY"):
        return key
    if PUBLIC:
        raise ImproperlyConfigured(
            "ALLOWED_HOSTS makes the page public: set DJANGO_SECRET_KEY, 50 random characters"
        )
    path = FOLDER / "secret"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(get_random_secret_key(), encoding="ascii")
    return path.read_text(encoding="ascii")


SECRET_KEY = _secret()

INSTALLED_APPS = ["web.studio", "django.contrib.staticfiles", "csp"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "web.studio.middleware.UploadGuard",  # before CSRF's, which reads the body
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "web.urls"
WSGI_APPLICATION = "web.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": ["django.template.context_processors.request"],
            "builtins": ["django.templatetags.i18n", "django.templatetags.static"],
        },
    }
]


def _database(address: str) -> dict:
    """The database of this address, if it is one and its driver is installed; else
    ImproperlyConfigured in words.
    """
    try:
        found = dj_database_url.parse(address, conn_health_checks=True)
    except ValueError:
        raise ImproperlyConfigured(
            "DATABASE_URL has to look like postgres://user:password@host:5432/name"
        ) from None
    try:
        load_backend(found["ENGINE"])
    except (ImproperlyConfigured, ImportError) as error:
        reason = " ".join(str(error).split())
        raise ImproperlyConfigured(
            f"DATABASE_URL needs a driver that is not installed ({reason}); install it beside"
            " the course: "
            "pip install 'psycopg[binary]' for PostgreSQL, mysqlclient for MySQL and MariaDB"
        ) from None
    return found


if address := os.environ.get("DATABASE_URL"):
    DATABASES = {"default": _database(address)}
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "db.sqlite3"}}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Readers and the one writer do not wait for each other; a writer waits instead of failing
    wal = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL"
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": wal,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ko", "한국어")]
LOCALE_PATHS = [ROOT / "web" / "studio" / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = FOLDER / "static"
HASHED = "web.studio.storage.HashedStorage"
PLAIN = "django.contrib.staticfiles.storage.StaticFilesStorage"
STORAGES = {"staticfiles": {"BACKEND": PLAIN if DEBUG else HASHED}}
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20
DATA_UPLOAD_MAX_NUMBER_FILES = 1

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "blob:"],  # the chosen picture, before it is sent
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
CSRF_FAILURE_VIEW = "web.studio.views.foreign"
CSRF_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"  # a share link must not travel to another site
X_FRAME_OPTIONS = "DENY"
SECURE_SSL_REDIRECT = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = PUBLIC
SECURE_HSTS_SECONDS = int(os.environ.get("WEB_HSTS", "0"))
# Django's check asks for HSTS, for all subdomains, and for good. A host's other sites and its
# neighbours under the same domain may lack https: whoever runs them decides
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W005", "security.W021"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    # Its warnings name addresses, and an address is what opens a shared picture
    "loggers": {"django.request": {"handlers": ["console"], "level": "ERROR", "propagate": False}},
}
