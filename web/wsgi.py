"""The page for any WSGI server; with it starts the worker that runs the networks."""

import os

import django
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.umask(0o077)  # what the page writes is its user's alone
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "web.settings")
django.setup()
call_command("prepare")
application = get_wsgi_application()

from web.studio.worker import worker  # noqa: E402  # needs the applications, which are loaded above

worker.start()
