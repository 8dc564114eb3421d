"""The page for any WSGI server; with it starts the worker that runs the networks."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "web.settings")
application = get_wsgi_application()

from web.studio.worker import worker  # noqa: E402  # needs the applications, which the line above loads

worker.start()
