from django.core.management.base import BaseCommand

from web.studio.models import expire


class Command(BaseCommand):
    help = (
        "Delete pictures older than a day, and files that belong to none. The server does so by"
        " itself."
    )

    def handle(self, *args, **options):
        gone = expire()
        if options["verbosity"]:
            self.stdout.write(f"{gone} pictures deleted")
