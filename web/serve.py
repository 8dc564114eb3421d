"""The page on a real server.

`make web`, or `python web/serve.py [--host 127.0.0.1] [--port 8000]`.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # the course, where web and helpers are
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "web.settings")


def allow_connections() -> None:
    """As many open connections as this system lets one process have."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))


def main() -> int:
    """Bring database and static files up to date, then serve until ctrl-C.

    Exit status 2 where it cannot.
    """
    parser = argparse.ArgumentParser(prog="python web/serve.py", description=__doc__)
    parser.add_argument(
        "--host", default="127.0.0.1", help="0.0.0.0 for the whole network; see ALLOWED_HOSTS"
    )
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--threads", type=int, default=16, help="requests answered at once")
    args = parser.parse_args()
    os.umask(0o077)  # what the page writes is its user's alone
    allow_connections()

    import django
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from django.db import DatabaseError

    try:
        django.setup()
        if (
            settings.PUBLIC and "TRUSTED_PROXY" not in os.environ
        ):  # each http:// would lead to https:// for ever
            raise ImproperlyConfigured(
                "ALLOWED_HOSTS makes the page public: set TRUSTED_PROXY, the proxy's address"
            )
        call_command("prepare")
        application = get_wsgi_application()

        from web.server import create
        from web.studio.worker import worker
    except (ImproperlyConfigured, DatabaseError, OSError) as error:  # in their own words
        print(f"error: {error}", file=sys.stderr)
        return 2

    started = time.perf_counter()
    worker.on_ready = lambda: print(
        f"the networks are warm after {time.perf_counter() - started:.0f} s", flush=True
    )
    # Larger bodies than allowed are still taken in, up to a limit, so that a page can say what was
    # wrong
    options = {"host": args.host, "port": args.port, "threads": args.threads}
    options["max_request_body_size"] = 4 * settings.MOST_BYTES
    try:
        server = create(application, os.environ.get("TRUSTED_PROXY"), **options)
    except OSError as error:
        print(
            f"error: cannot listen on {args.host}:{args.port} ({error.strerror}); try --port",
            file=sys.stderr,
        )
        return 2
    worker.start()
    print(
        f"the page is at http://{args.host}:{server.effective_port}/ (ctrl-C stops it)", flush=True
    )
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # a script that starts the page in the background has ctrl-C ignored
        signal.signal(number, signal.default_int_handler)
    try:
        server.run()  # returns then
    finally:
        worker.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
