"""Training on several devices, of one machine or of several, by `keras.distribution` under JAX.

Each device computes its share of each batch, and all of them hold the same weights: the losses are
those of one device. Under TensorFlow Keras clips the gradients of each device before it adds them,
so that another number of GPUs would train another network; there a training takes the first GPU.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from helpers import training

PROCESSES = "KERAS_DISTRIBUTION_NUM_PROCESSES"  # Keras' own variables
ADDRESS = "KERAS_DISTRIBUTION_JOB_ADDRESSES"
NUMBER = "KERAS_DISTRIBUTION_PROCESS_ID"
MORE = "see data/README.md, More machines than one"


class Team(NamedTuple):
    """The processes that train one network, as one of them sees them."""

    processes: int = 1
    number: int = 0  # of this process

    @property
    def writes(self) -> bool:
        """Whether this process writes the files: the first one does, alone."""
        return self.number == 0

    def first(self, make: Callable, read: Callable) -> object:
        """Let the first process make something; the others wait for it.

        Parameters
        ----------
        make : callable
            What the first process calls.
        read : callable
            What the others call afterwards, instead.

        Returns
        -------
        object
            What the call returned.

        Raises
        ------
        ValueError, OSError
            What `make` raises; in the others a ValueError that says where to look.
        """
        if self.processes == 1:
            return make()
        from jax.experimental.multihost_utils import broadcast_one_to_all

        result = failed = None
        if self.writes:
            try:
                result = make()
            except (ValueError, OSError) as error:
                failed = error
        well = broadcast_one_to_all(np.int32(failed is None))
        if failed:
            raise failed
        if not well:
            raise ValueError(f"process {self.number} stops, because process 0 does; it says why")
        return result if self.writes else read()

    def curve(self, *args) -> training.LiveCurve:
        """A `training.LiveCurve`, which measures in all processes and is shown by the first."""
        return (training.LiveCurve if self.writes else Unseen)(*args)

    def fit(self, model: keras.Model, data: Callable, epochs: int, steps: int, **kept) -> None:
        """`training.fit`, whose state all processes read and the first one writes.

        Parameters
        ----------
        model, data, epochs, steps
            Those of `training.fit`.
        **kept
            Its `folder`, which all processes see, and its `callbacks`.
        """
        kept["callbacks"] = [*kept["callbacks"], Apart()]
        if self.writes:
            training.fit(model, data, epochs, steps, **kept)
            return
        done, _ = training.resume(model, kept.pop("folder"))
        rest = epochs - done
        training.fit(model, lambda step: data(done * steps + step), rest, steps, **kept)


class Apart(keras.callbacks.Callback):
    """From the end of an epoch to the next one, what a process makes is its own.

    Keras makes objects of its own when it writes a state, and would wait for the other processes to
    make them, too.
    """

    def on_train_begin(self, logs=None):
        self.distribution = keras.distribution.distribution()

    def on_epoch_begin(self, epoch, logs=None):
        keras.distribution.set_distribution(self.distribution)

    def on_epoch_end(self, epoch, logs=None):
        keras.distribution.set_distribution(None)

    def on_train_end(self, logs=None):
        keras.distribution.set_distribution(self.distribution)


class Unseen(training.LiveCurve):
    """A curve that measures and shows nothing.

    Keras computes with all processes or with none, so that each has to measure what one shows.
    """

    def draw(self):
        pass


@contextmanager
def together(name: str, batch: int, own_step: bool = False) -> Iterator[Team]:
    """Networks built inside are trained by all devices, where Keras can; otherwise it says so.

    That is under JAX: all devices of this machine, and those of all processes that Keras' variables
    KERAS_DISTRIBUTION_… name.

    Parameters
    ----------
    name : str
        Of what is trained, for messages.
    batch : int
        Pictures in a batch, all devices together.
    own_step : bool
        Whether the network has a training step of its own, which is TensorFlow's.

    Yields
    ------
    Team
        The processes.

    Raises
    ------
    ValueError
        Where the devices cannot share a batch evenly; where several processes are asked for under
        another back end; for a step of its own under another back end than TensorFlow.
    ConnectionError
        Where another process is gone.
    """
    if own_step:
        alone(name)
    elif keras.backend.backend() != "jax":
        if PROCESSES in os.environ:
            raise ValueError(
                f"{PROCESSES} asks for several processes, which train under JAX alone; set"
                f" KERAS_BACKEND=jax, or leave it out; {MORE}"
            )
        _say_first(name, f"KERAS_BACKEND=jax uses all of them; {MORE}")
    if own_step or keras.backend.backend() != "jax":
        yield Team()
        return
    with suppress(RuntimeError):  # TensorFlow only reads and turns pictures here; JAX needs memory
        tf.config.set_visible_devices([], "GPU")
    team = _join()
    found = keras.distribution.list_devices()
    _check_share(name, batch, len(found), team)
    if len(found) == 1:
        yield team
        return
    if team.writes:
        print(f"{name} trains on {len(found)} devices{_among(team)}")
    with _in_words(team), keras.distribution.DataParallel(devices=found).scope():
        yield team


def alone(name: str) -> None:
    """Say that a network with a training step of its own, which is TensorFlow's, has one device.

    Parameters
    ----------
    name : str
        Of what is trained.

    Raises
    ------
    ValueError
        Where another back end or several processes are asked for.
    """
    if keras.backend.backend() != "tensorflow" or PROCESSES in os.environ:
        raise ValueError(
            f"{name} trains on one device and by TensorFlow, because networks that judge each other"
            f" have a training step of their own; leave KERAS_BACKEND and {PROCESSES} out"
        )
    _say_first(name, "networks that judge each other have a training step for one device")


def _say_first(name: str, reason: str) -> None:
    """One line where TensorFlow sees more GPUs than it uses."""
    number = len(tf.config.list_physical_devices("GPU"))
    if number > 1 and keras.backend.backend() == "tensorflow":
        print(f"{name} trains on the first of {number} GPUs; {reason}")


def _join() -> Team:
    """Meet the other processes, where there are any."""
    import jax

    if PROCESSES in os.environ and not jax.distributed.is_initialized():
        missing = [variable for variable in (ADDRESS, NUMBER) if variable not in os.environ]
        if missing:
            raise ValueError(f"{PROCESSES} is set, {' and '.join(missing)} not; {MORE}")
        number = os.environ[NUMBER]
        of = f"{number} of {os.environ[PROCESSES]}, counted from 0"
        place = os.environ[ADDRESS].split(",")[0]
        print(f"process {of}, meets the others at {place}: 5 minutes at most", file=sys.stderr)
        # GPUs have NCCL; processors have nothing else in versions of JAX before 0.6
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        keras.distribution.initialize()
    return Team(jax.process_count(), jax.process_index())


def _check_share(name: str, batch: int, number: int, team: Team) -> None:
    """ValueError where so many devices cannot share a batch evenly."""
    if batch % number == 0:
        return
    fitting = max(k for k in range(1, number) if batch % k == 0)
    advice = f"CUDA_VISIBLE_DEVICES={','.join(map(str, range(fitting)))} shows it so many GPUs"
    if team.processes > 1:
        advice = "start fewer processes, or show each fewer GPUs by CUDA_VISIBLE_DEVICES"
    raise ValueError(
        f"{name} trains in batches of {batch}, which {number} devices cannot share evenly; give it"
        f" {fitting}: {advice}"
    )


@contextmanager
def _in_words(team: Team) -> Iterator[None]:
    """Say what to do where several processes cannot compute together any more."""
    try:
        yield
    except RuntimeError as error:  # JAX's own, whose message repeats itself
        if team.processes == 1:
            raise
        reason = str(error).split(": ")[-1]
        raise ConnectionError(
            f"process {team.number} cannot go on ({reason}); another one has ended, and says why;"
            " start all of them again: the training goes on"
        ) from error


def _among(team: Team) -> str:
    return f" of {team.processes} processes" if team.processes > 1 else ""
