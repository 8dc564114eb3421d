"""`python -m helpers`: fetch pictures, run the lessons. Each command imports what it needs, so --help is instant."""

import argparse
import sys
import warnings


def fetch(args: argparse.Namespace) -> int:
    from helpers import download, images

    folder = download.fetch(args.source, to=args.to, origin=args.origin)
    print(f"{len(images.find(folder))} pictures in {folder}")
    return 0


def run(args: argparse.Namespace) -> int:
    from helpers import lessons

    return lessons.run(args.lessons, args.profile, args.in_place)


def address(args: argparse.Namespace) -> int:
    from helpers import lessons

    print(f"{lessons.readdress(args.url)} files now name {args.url}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 where a lesson failed, 2 for bad input or a full disk."""
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("fetch", help="bring pictures to data/raw/")
    command.add_argument("source", help="sample (embedded photographs) or own (with --from)")
    command.add_argument("--from", dest="origin", metavar="FOLDER", help="a folder of pictures that you have")
    command.add_argument("--to", metavar="FOLDER", help="instead of data/raw/SOURCE")
    command.set_defaults(run=fetch)

    command = commands.add_parser("run", help="execute the lessons into build/, with a report")
    command.add_argument("lessons", nargs="*", metavar="NR", help="such as 02 06; without any, all of them")
    command.add_argument("--profile", choices=["smoke", "quick", "full"], default="quick")
    command.add_argument("--in-place", action="store_true", help="write the outputs into notebooks/")
    command.set_defaults(run=run)

    command = commands.add_parser("address", help="write the repository's address into every badge and first cell")
    command.add_argument("url", help="https://github.com/OWNER/NAME")
    command.set_defaults(run=address)

    args = parser.parse_args(argv)
    warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
    try:
        return args.run(args)
    except (ValueError, OSError) as error:
        print(f"error: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
