"""Django's commands, such as `python web/manage.py expire` and `python web/manage.py check
--deploy`.
"""

import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    sys.path[0] = str(
        Path(__file__).resolve().parent.parent
    )  # the course, where web and helpers are
    os.umask(0o077)  # what the page writes is its user's alone
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "web.settings")
    execute_from_command_line(sys.argv)
