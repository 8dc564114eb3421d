from pathlib import Path

from django.core.management.base import BaseCommand

from helpers import images
from web.studio import restorers, samples

FOLDER = Path(restorers.__file__).parent / "static" / "studio" / "showcase"
SHOWN = ("cat", "pavilion")


class Command(BaseCommand):
    help = "Draw the start page's examples anew, from the samples, after a network has changed."

    def handle(self, *args, **options):
        samples.prepare()
        networks = restorers.Networks()
        for name in SHOWN:
            task = restorers.TASKS[samples.SAMPLES[name].task]
            before = images.square_crop(samples.read(name))
            after = networks.change(before, task.networks)
            for which, picture in (("before", before), ("after", after)):
                images.write(FOLDER / f"{name}-{which}.jpg", picture)
                self.stdout.write(f"{name}-{which}.jpg, {picture.shape[1]}×{picture.shape[0]}")
