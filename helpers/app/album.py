"""Pictures, and folders of them, through a network by its name: in this process, or in many."""

import io
import time
import warnings
from collections.abc import Iterable
from concurrent.futures import Executor
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import NamedTuple

from helpers.app import LeftOut, advice, film, photo, scratches
from helpers.app.photo import AnyPath
from helpers.batching import parallel_map


class How(NamedTuple):
    """How pictures are restored, in words that another process understands. Lesson 10."""

    # Of weights; "auto" is what `advice.suggest` names for each picture; with None scratches are
    # filled, and no network follows
    name: str | None
    portrait: bool = False  # faces only
    size: int | None = None  # as in `photo.portrait`
    around: str | None = None  # name of the weights for all else than faces
    mask: Path | None = None  # a picture that shows white which scratches are filled first


class Files(NamedTuple):
    """Sources of one name in one folder, whose results might have one name."""

    sources: tuple[Path, ...]
    to: Path  # a folder

    @property
    def path(self) -> str:
        """What a message calls them."""
        return " and ".join(map(str, self.sources))


def restore(
    sources: Iterable[AnyPath],
    to: AnyPath | None,
    how: How,
    executor: Executor | None = None,
) -> advice.Restored:
    """`photo.restore_all` by a network that is named, or `advice.restore_all` by "auto".

    Parameters
    ----------
    sources : iterable of path-like
        Files and folders.
    to : path-like, optional
        As for `photo.restore_all`.
    how : How
        By which network.
    executor : concurrent.futures.Executor, optional
        Restores one file here and another there, such as `cluster.connect` gives it; without one,
        this process restores all, on all cores.

    Returns
    -------
    advice.Restored
        What became of the files, in the order of their names.

    Raises
    ------
    FileNotFoundError, ValueError
        Where `photo.restore_all` and `training.load_weights` do.
    """
    sources = photo.named(sources, to)
    if executor is None or how.mask or photo.exact_target(sources, to):  # one picture
        return _restore(sources, to, how)
    _networks(how)  # what is wrong with a name is said before anything is done
    begun = time.time()
    tasks = _tasks(sources, to)
    restored = advice.Restored([], [], [], [])
    results = parallel_map(partial(restore_files, how=how), tasks, "restore", executor)
    for task, result in zip(tasks, results, strict=True):
        if result is None:  # the executor gave it up, and has said why
            restored.failed.append(ValueError(f"{task.path} is not restored"))
            continue
        here, told = result
        for words, kind in told:
            warnings.warn(words, kind, stacklevel=2)
        for path in here.kept:
            # A worker made it and was ended, and the next one found it
            made = path.stat().st_mtime > begun
            (restored.made if made else restored.kept).append(path)
        restored.made.extend(here.made)
        restored.left_alone.extend(here.left_alone)
        restored.failed.extend(here.failed)
    return restored


def restore_files(files: Files, how: How) -> tuple[advice.Restored, list[tuple[str, type]]]:
    """`restore` of a few files, in a process of an executor.

    Parameters
    ----------
    files : Files
        The sources, and the folder for their results.
    how : How
        By which network; it is loaded once in each process.

    Returns
    -------
    tuple[advice.Restored, list[tuple[str, type]]]
        What became of them, and the warnings, as text and kind.
    """
    with warnings.catch_warnings(record=True) as caught, redirect_stderr(io.StringIO()):  # no bars
        warnings.simplefilter("always", UserWarning)
        restored = _restore(files.sources, files.to, how)
    told = [
        (str(warning.message), warning.category)
        for warning in caught
        if warning.category in (UserWarning, LeftOut)
    ]
    return restored._replace(failed=[_plain(error) for error in restored.failed]), told


def _restore(sources: Iterable[AnyPath], to: AnyPath | None, how: How) -> advice.Restored:
    """`restore` in this process."""
    filler = None
    if how.mask:
        filler = _filler(how, sources)
        if how.name is None:
            return scratches.restore_all(filler, sources, to)
    networks = _networks(how)
    if networks is None:
        return advice.restore_all(sources, to)
    model, card, around = networks
    label = f"{how.name} {card['sha256'][:8]}"
    faces = None
    if how.portrait:
        faces, words = _portrait(how, around)
        label += words
    if filler:
        label += f" after {filler.label}"

    def prepare(picture, source):
        if filler:
            picture = filler(picture, source)
        if not how.portrait and (why := advice.misfit(picture, how.name, card)):
            warnings.warn(f"{source}: {why}", stacklevel=2)
        return picture

    made, kept, failed = photo.restore_all(model, sources, to, label, faces, prepare)
    return advice.Restored(made, kept, [], failed)


def _portrait(how: How, around: tuple | None) -> tuple[dict, str]:
    """The options of `photo.portrait`, and what the label says of them."""
    faces = {"size": how.size}
    words = " on faces"
    if how.size:
        words += f" of {how.size} pixels"
    if around:
        faces["around"], card = around
        words += f", {how.around} {card['sha256'][:8]} around"
    return faces, words


def _filler(how: How, sources: Iterable[AnyPath]) -> scratches.Filler:
    """What fills the scratches; ValueError where they cannot be filled."""
    if how.name == "auto":
        raise ValueError(
            "--with auto would judge the picture with its scratches; restore it first by "
            "--scratches alone, and then the result by --with auto"
        )
    for source in map(Path, sources):
        if film.moves(source):
            raise ValueError(f"{source} moves, and a mask is for one picture")
    return scratches.Filler(how.mask)


def _networks(how: How) -> tuple | None:
    """The network, its card, and what `around` names with its card or None; None for "auto"."""
    if how.name == "auto":
        return None
    around = advice.network(how.around) if how.around else None
    return *advice.network(how.name), around


def _tasks(sources: list[AnyPath], to: AnyPath | None) -> list[Files]:
    """All files; those whose results might have the same name in one task, which sees it."""
    together: dict[tuple[Path, str], list[Path]] = {}
    for source in sources:
        for path, folder in photo.found_in(Path(source), to):
            together.setdefault((folder, path.stem), []).append(path)
    return [Files(tuple(paths), folder) for (folder, _), paths in together.items()]


def _plain(error: Exception) -> Exception:
    """An error of a class that every process knows, which reads the same."""
    if isinstance(error, OSError) and error.errno is not None:
        return OSError(error.errno, error.strerror, error.filename)
    return ValueError(str(error) or type(error).__name__)
