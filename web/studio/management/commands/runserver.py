from django.contrib.staticfiles.management.commands import runserver


class Command(runserver.Command):
    def check_migrations(self):
        """Not yet: `wsgi`, which is loaded a moment later, brings the database up to date."""
