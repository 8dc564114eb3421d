"""`python -m helpers`: fetch, restore and measure pictures, train networks, run the lessons."""

# Each command imports what it needs, so that --help is instant.

import argparse
import errno
import io
import json
import os
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from helpers.app import LeftOut

CLUSTER = (
    "work on Dask's workers: a scheduler's address, such as tcp://login:8786, or a queue of jobs"
    " and a number of workers, such as slurm:32; data/README.md tells how to start them"
)


def fetch_pictures(args: argparse.Namespace) -> int:
    from helpers import download, images

    options = {
        "query": args.query,
        "limit": args.limit,
        "category": args.category,
        "smallest": args.smallest,
    }
    with noticing() as noticed:
        folder = download.fetch(args.source, to=args.to, origin=args.origin, **options)
    print(f"{len(images.find(folder))} pictures in {folder}")
    return 1 if noticed else 0


def survey_folder(args: argparse.Namespace) -> int:
    from helpers.app import sources

    with noticing() as noticed, spread(args.cluster) as executor:
        print(sources.summary(sources.survey(args.folder, executor)))
    return 1 if noticed else 0


def prepare_pictures(args: argparse.Namespace) -> int:
    from helpers import batching, images
    from helpers.app import sources

    if (Path(args.folder) / "list_eval_partition.csv").exists():
        pictures = sources.celeba_splits(args.folder)
    else:
        pictures = batching.split([str(path) for path in images.find(args.folder)])
    squares = {"size": args.size, "per_picture": args.per_picture, "square_by": args.square_by}
    with spread(args.cluster) as executor:
        rows = batching.prepare(
            pictures, args.to, args.scale, args.method, executor=executor, **squares
        )
    used = {row["hr"].rpartition("_")[0] for row in rows}
    print(f"{len(rows)} pairs of {len(used)} pictures in {args.to}")
    return 1 if len(used) < len(pictures) else 0


def run_lessons(args: argparse.Namespace) -> int:
    from helpers.app import lessons

    return lessons.run(args.lessons, args.profile, args.in_place, args.again)


def benchmark_networks(args: argparse.Namespace) -> int:
    from helpers import quiet
    from helpers.files import replacing

    with quiet():
        from helpers.app import benchmark

    override = {"scale": args.scale, "downscale": args.downscale, "size": args.square}
    models, expected = benchmark.expectation(args.names, **override)
    scale, size = expected["scale"], expected["size"]
    with noticing() as noticed:
        usable, left_out, made = benchmark.pairs(Path(args.folder), **expected, fit=args.fit)
    rows = benchmark.benchmark(usable, scale, models)
    small = left_out.pop(benchmark.TOO_SMALL)
    heading = f"{len(usable)} pictures ×{scale}, {len(small)} too small; inputs {made}"
    heading += f", {args.fit} to {size}×{size}" if size else ""
    print(benchmark.table(rows, f"{heading}; border {scale} on Y", left_out))
    if args.json:
        with replacing(args.json) as part:
            part.write_text(json.dumps(benchmark.finite(rows), indent=1), encoding="utf-8")
    return 1 if left_out[benchmark.FAILED] or noticed else 0


def restore_pictures(args: argparse.Namespace) -> int:
    if not args.portrait and (args.around or args.size is not None):
        raise ValueError(
            "--size and --around say how --portrait restores a face; add --portrait, or leave them "
            "out"
        )
    if args.size is not None and args.size < 1:
        raise ValueError(f"--size {args.size} is no number of pixels; give at least 1")
    if args.portrait and args.name == "auto":
        raise ValueError("--with auto chooses for whole pictures; leave --portrait out")
    if args.scratches and (len(args.pictures) > 1 or Path(args.pictures[0]).is_dir()):
        raise ValueError(f"{args.scratches} shows the scratches of one picture; name one")
    from helpers import quiet

    with quiet():
        from helpers.app import album

    name = args.name
    if args.portrait:
        name = name or "espcn_faces_x4"
    elif not args.scratches:
        name = name or "espcn_photos_x4"
    how = album.How(name, args.portrait, args.size, args.around, args.scratches)
    with noticing() as noticed, spread(args.cluster) as executor:
        made, kept, left_alone, failed = album.restore(args.pictures, args.to, how, executor)
    for reason in left_alone:
        print(f"left alone: {reason}")
    if len(made) + len(kept) + len(left_alone) + len(failed) == 1 and not kept:
        counts = ""
    else:
        counts = f"{len(made)} restored, {len(kept)} already there, "
        if name == "auto":
            counts += f"{len(left_alone)} left alone, "
        counts += f"{len(failed)} failed"
    return report_restored(made, counts, failed, noticed)


@contextmanager
def spread(address: str | None) -> Iterator[Executor | None]:
    """What takes the work: the cluster at an address; this machine without one."""
    if address is None:
        yield None
        return
    from helpers.app import cluster

    with cluster.connect(address) as executor:
        yield executor


def report_restored(made: list, counts: str, failed: list, noticed: list) -> int:
    """Print what became of files; the exit status: 1 where something was left out, 2 for errors."""
    for path in made:
        print(path)
    if counts:
        print(counts)
    for error in failed:
        complain(error)
    if failed:
        return 2
    return 1 if noticed else 0


@contextmanager
def noticing() -> Iterator[list[Warning]]:
    """A list that fills with the warnings of what is left out, which are shown all the same."""
    noticed = []
    show = warnings.showwarning

    def notice(message, kind, *others):
        if issubclass(kind, LeftOut):
            noticed.append(message)
        show(message, kind, *others)

    warnings.showwarning = notice
    try:
        yield noticed
    finally:
        warnings.showwarning = show


def train_network(args: argparse.Namespace) -> int:
    if os.environ.get("KERAS_BACKEND") == "jax" and find_spec("jax") is None:
        raise ValueError(
            "KERAS_BACKEND=jax needs JAX; install it by .venv/bin/python -m pip install -r"
            " helpers/app/jax.txt, or leave the variable out"
        )
    from helpers import quiet

    with quiet():
        from helpers.app import train

    for names in train.UNPAIRED:
        if args.name in names:
            if len(args.origin) != 1:
                raise ValueError(
                    f"{args.name} is trained on one folder that holds both sets, A and B, each in"
                    " its own"
                )
            print(*train.train_unpaired(names, Path(args.origin[0]), args.steps), sep="\n")
            return 0
    pictures, low = training_pictures(args.name, args.origin)
    print(train.train(args.name, pictures, args.steps, low))
    return 0


def training_pictures(name: str, folders: list[str]) -> tuple[dict, dict]:
    """{picture: split} of all folders, and {picture: its damaged one} for a recipe with pairs."""
    from helpers import images
    from helpers.app import sources, train

    pictures, low = {}, {}
    ending = train.RECIPES.get(name, {}).get("low")
    for folder in folders:
        if (Path(folder) / "list_eval_partition.csv").exists():
            pictures |= sources.celeba_splits(folder)
        elif ending:
            for lr, hr in sources.unsplash_pairs(folder):
                if lr.stem.endswith(ending):
                    low[hr] = lr
            pictures |= dict.fromkeys(low)
        else:
            pictures |= dict.fromkeys(images.find(folder))
    if None in pictures.values():
        pictures = train.split(name, pictures, pairs=bool(low))
    return pictures, low


def write_figures(args: argparse.Namespace) -> int:
    from helpers import quiet

    with quiet():
        from helpers import training
        from helpers.app import figures

    folders = {}
    for name in figures.SETS:
        if given := getattr(args, name):
            folders[name] = [Path(folder) for folder in given]
    rows = figures.measure_all(folders, args.names, args.seconds)
    figures.write(figures.table(rows, args.seconds), training.WEIGHTS / "README.md")
    print(f"{len(rows)} rows in {training.WEIGHTS / 'README.md'}")
    return 0


def write_cards(args: argparse.Namespace) -> int:
    from helpers import quiet

    with quiet():
        from helpers.app import train

    print(*train.rewrite_cards(), sep="\n")
    return 0


def write_address(args: argparse.Namespace) -> int:
    from helpers.app import lessons

    print(f"{lessons.readdress(args.url)} files now name {args.url}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : the command's words, instead of the program's own

    Returns
    -------
    the exit status: 0; 1 where a lesson failed, or something was left out; 2 for bad input, or
    where the disk or the memory is full; 130 after ctrl-C
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a notebook's is not, and takes any letter
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("fetch", help="bring pictures to data/raw/")
    command.add_argument(
        "source", help="sample, own, celeba, unsplash, summer2winter, pixabay or page"
    )
    command.add_argument(
        "--from",
        dest="origin",
        metavar="FOLDER|ZIP|FILE|URL",
        type=some_name,
        help="your pictures or your copy; for page its address",
    )
    command.add_argument(
        "--to", metavar="FOLDER", type=some_name, help="instead of data/raw/SOURCE"
    )
    command.add_argument("--query", default="", metavar="WORDS", help="pixabay: what to look for")
    command.add_argument(
        "--category", default="", metavar="NAME", help="pixabay: such as animals or nature"
    )
    command.add_argument(
        "--smallest", type=int, default=0, metavar="PIXELS", help="pixabay: least width and height"
    )
    command.add_argument(
        "--limit", type=int, default=50, metavar="N", help="pixabay, page: at most so many pictures"
    )
    command.set_defaults(run=fetch_pictures)

    command = commands.add_parser(
        "survey", help="say what lies in a folder: sizes, copies, broken files, licences"
    )
    command.add_argument("folder", metavar="FOLDER", type=some_name)
    command.add_argument("--cluster", metavar="ADDRESS", help=CLUSTER)
    command.set_defaults(run=survey_folder)

    command = commands.add_parser(
        "prepare", help="cut a folder's pictures into pairs, input and target, to train on"
    )
    command.add_argument("folder", metavar="FOLDER", type=some_name)
    command.add_argument("--to", metavar="FOLDER", type=some_name, required=True)
    command.add_argument("--size", type=int, default=176, metavar="PIXELS", help="a square's side")
    command.add_argument("--per-picture", type=int, default=1, metavar="N", help="so many squares")
    command.add_argument(
        "--square-by",
        choices=["crop", "resize"],
        default="crop",
        help="cut a square out, or reduce the largest one",
    )
    command.add_argument("--scale", type=int, default=4, help="how many times smaller inputs are")
    command.add_argument(
        "--method", default="pyramid", help="pyramid, bicubic, area, or a damage of helpers.damage"
    )
    command.add_argument("--cluster", metavar="ADDRESS", help=CLUSTER)
    command.set_defaults(run=prepare_pictures)

    command = commands.add_parser("run", help="execute the lessons into build/, with a report")
    command.add_argument(
        "lessons", nargs="*", metavar="NR", help="such as 2 or 06_espcn; without any, all of them"
    )
    command.add_argument("--profile", choices=["smoke", "quick", "full"], default="quick")
    command.add_argument(
        "--in-place", action="store_true", help="write the outputs into notebooks/"
    )
    command.add_argument(
        "--again", action="store_true", help="also those that ran well before and are unchanged"
    )
    command.set_defaults(run=run_lessons)

    command = commands.add_parser(
        "restore", help="enlarge or repair pictures, GIFs and videos of any size"
    )
    command.add_argument("pictures", nargs="+", metavar="FILE|FOLDER")
    command.add_argument(
        "--with",
        dest="name",
        metavar="NAME",
        help="weights, or auto: what each picture calls for; espcn_photos_x4 without",
    )
    command.add_argument(
        "--to",
        metavar="FOLDER|FILE",
        help="instead of beside each picture; mirrors a folder's tree; a file for one picture",
    )
    command.add_argument(
        "--portrait", action="store_true", help="restore faces, by espcn_faces_x4 without --with"
    )
    command.add_argument(
        "--around", metavar="NAME", help="with --portrait: weights for the rest, instead of bicubic"
    )
    command.add_argument(
        "--size", type=int, metavar="N", help="with --portrait: reduce faces to N×N for the network"
    )
    command.add_argument(
        "--scratches",
        metavar="MASK",
        type=Path,
        help="fill first what the picture MASK shows white; without --with nothing else is done",
    )
    command.add_argument("--cluster", metavar="ADDRESS", help=CLUSTER)
    command.set_defaults(run=restore_pictures)

    command = commands.add_parser("benchmark", help="measure networks on a folder of pictures")
    command.add_argument(
        "folder", metavar="FOLDER", type=some_name, help="pictures, or pairs such as *_HR and *_LR"
    )
    command.add_argument(
        "--with", dest="names", metavar="NAME", nargs="+", default=[], help="weights"
    )
    command.add_argument("--json", metavar="FILE", help="write the rows there, too")
    command.add_argument("--scale", type=int, help="instead of the card's")
    command.add_argument(
        "--downscale", choices=["bicubic", "area", "pyramid"], help="instead of the card's"
    )
    command.add_argument("--square", type=int, metavar="N", help="use the centred square of N×N")
    command.add_argument(
        "--fit", choices=["crop", "resize"], default="crop", help="how a square becomes N×N"
    )
    command.set_defaults(run=benchmark_networks)

    command = commands.add_parser("train", help="train a shipped network again")
    command.add_argument("name", help="such as espcn_photos_x4")
    command.add_argument(
        "--from",
        dest="origin",
        metavar="FOLDER",
        type=some_name,
        nargs="+",
        required=True,
        help="pictures",
    )
    command.add_argument("--steps", type=int, help="instead of the recipe's number")
    command.set_defaults(run=train_network)

    command = commands.add_parser(
        "figures", help="measure the shipped networks, and write their table of figures"
    )
    for name, what in {
        "set5": "Set5's *_HR and *_LR pictures",
        "set14": "Set14's",
        "photos": "photographs that no network was trained on",
        "held-out": "the folders of a training whose recipe names pictures that it holds out",
        "faces": "CelebA, or portraits of people who are in no training",
        "dogs": "dogs that are in no training",
        "pairs": "data/prepared/unet_photos/test, which a training lays out",
    }.items():
        command.add_argument(f"--{name}", metavar="FOLDER", nargs="+", help=what)
    command.add_argument(
        "--with", dest="names", metavar="NAME", nargs="+", default=[], help="these networks only"
    )
    command.add_argument(
        "--no-seconds",
        dest="seconds",
        action="store_false",
        help="leave the times out: the machine is busy",
    )
    command.set_defaults(run=write_figures)

    command = commands.add_parser("cards", help="write the recipes' cards into the shipped weights")
    command.set_defaults(run=write_cards)

    command = commands.add_parser(
        "address", help="write the repository's address into every badge and first cell"
    )
    command.add_argument("url", help="https://github.com/OWNER/NAME")
    command.set_defaults(run=write_address)

    args = parser.parse_args(argv)
    warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
    try:
        return args.run(args)
    except (ValueError, OSError) as error:
        complain(error)
        return 2
    except (MemoryError, BrokenExecutor):
        complain(
            MemoryError(
                "the system ended a part of this work, most likely for lack of memory; close other"
                " programs, or take fewer or smaller pictures, and run the same command again"
            )
        )
        return 2
    except KeyboardInterrupt:
        complain(
            InterruptedError(
                "stopped; what was finished is kept, and the same command goes on from there"
            )
        )
        return 130


def complain(error: Exception) -> None:
    """Print an error in one line; one of the system with the name of the file."""
    reason = getattr(error, "strerror", None) or error
    if name := getattr(error, "filename", None):
        reason = f"{name}: {reason}"
        if getattr(error, "errno", None) == errno.ENAMETOOLONG:
            reason += "; shorten the name"
    print(f"error: {reason}", file=sys.stderr)


def some_name(text: str) -> str:
    """An argument that names a file or folder; "" would mean the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r} names no file or folder")
    return text


if __name__ == "__main__":
    sys.exit(main())
