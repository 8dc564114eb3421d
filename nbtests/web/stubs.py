"""In place of the networks, in their process; it loads in no time."""

import os
import time

from web.studio import engine, restorers


class Stub:
    """In place of the networks; the task's name says what happens."""

    def judge(self, picture):
        if picture.shape[0] == 20:
            os._exit(9)
        return "nothing", []

    def change_file(self, task, before, after, done):
        done(0.5)
        if task == "clean":
            return restorers.Changed(30, 20, "network hash")
        if task == "enlarge":
            for k in range(1000):
                time.sleep(0.01)
                done(k / 1000)
        if task == "deblur":
            os._exit(9)
        if task == "auto":  # as `images.read` says it
            raise ValueError("the picture is damaged") from MemoryError()
        if task == "noise_cancel":
            time.sleep(60)
        raise ValueError("no such thing")


def stubbed(connection, stub):
    restorers.Networks = Stub
    engine.main(connection)


def broken(connection, stub):
    def cannot():
        raise OSError("the weights are gone")

    restorers.Networks = cannot
    engine.main(connection)
