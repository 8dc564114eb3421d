"""A page that is killed at a step of an upload: `python -m nbtests.web.killed 0`, … 9.

It prints the step's name. WEB_FOLDER names its work folder.
"""

import os
import signal
import sys
from functools import partial

HERE = ("ChangeForm", "disk_is_full", "intake.decode", "files.replacing", "Job.save")
HERE += ("worker.submit", "_keep_cookie")  # names of `views`, in their order
READER = ("opened", "upright", "srgb")  # names of `decoder`, in the process that reads


def die(name: str, *_args, **_options) -> None:
    """Kill the page, from within or from the reader's process."""
    print(name, flush=True)
    os.kill(int(os.environ["PAGE"]), signal.SIGKILL)


def read(name: str, *order) -> None:
    """The reader's `main`, which kills the page when it comes to `name`."""
    from web.studio import decoder

    function = getattr(decoder, name)

    def deadly(*args):
        die(name)
        return function(*args)

    setattr(decoder, name, deadly)
    decoder.main(*order)


def main(step: int) -> None:
    """Send a photograph to a page that is killed at this step."""
    os.environ["PAGE"] = str(os.getpid())
    os.environ["DJANGO_SETTINGS_MODULE"] = "web.settings"
    import django

    django.setup()
    from django.core.management import call_command
    from django.test import Client

    from nbtests.web import kit
    from web.studio import decoder, views

    call_command("migrate", verbosity=0)
    if step < len(HERE):
        *within, name = HERE[step].split(".")
        place = getattr(views, within[0]) if within else views
        setattr(place, name, partial(die, HERE[step]))
    else:
        decoder.main = partial(read, READER[step - len(HERE)])
    body, kind = kit.multipart({"task": "clean"}, "photo.jpg", kit.secret_photograph())
    headers = {"Host": "localhost", "Accept": "application/json"}
    answer = Client().post("/", body, content_type=kind, headers=headers)
    print("not killed", answer.content)


if __name__ == "__main__":
    main(int(sys.argv[1]))
