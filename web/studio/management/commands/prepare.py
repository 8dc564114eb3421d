from django.conf import settings
from django.core.files import locks
from django.core.management import call_command
from django.core.management.base import BaseCommand

from web.studio import samples


class Command(BaseCommand):
    help = (
        "Bring the work folder up to date: database, static files, samples; nobody else may read"
        " it. `serve.py` and `wsgi.py` do so by themselves."
    )

    def handle(self, *args, **options):
        folder = settings.FOLDER
        folder.chmod(0o700)
        # Two servers that start at once on one folder would collect over each other
        with (folder / "start.lock").open("w") as file:
            locks.lock(file, locks.LOCK_EX)
            call_command("migrate", verbosity=0, interactive=False)
            for path in folder.glob("db.sqlite3*"):  # older versions left them open to all
                path.chmod(0o600)
            if not settings.DEBUG:  # else they are served from where they lie
                # Not cleared: another server may run on it
                call_command("collectstatic", verbosity=0, interactive=False)
            call_command("expire", verbosity=0)
            samples.prepare()
