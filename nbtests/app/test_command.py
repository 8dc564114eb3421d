import json
import re
import subprocess
import sys

import pytest

from helpers import ROOT, images
from helpers.app import command


def fails(done, *words):
    """Exit status 2, and on stderr one line "error: …" that holds `words`, and nothing from Python
    itself.
    """
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    for word in words:
        assert re.search(word, lines[0]), lines[0]


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# help


def test_help_names_every_command_and_is_instant(command):
    done = command("--help")
    assert done.returncode == 0
    assert {"fetch", "run"} <= set(re.findall(r"^  +(\w+)", done.stdout, re.MULTILINE))
    script = "import sys; sys.argv[1:] = ['--help']; from helpers.__main__ import main\n" + (
        "try: main()\nexcept SystemExit: import json; print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "helpers" in loaded
    assert not loaded & {
        "tensorflow",
        "keras",
        "matplotlib",
        "numpy",
        "skimage",
        "cv2",
        "PIL",
        "papermill",
    }


@pytest.mark.parametrize("source", ["sample", "own"])
def test_fetch_loads_no_tensorflow(tmp_path, picture, source):
    images.write(tmp_path / "mine" / "x.png", picture)
    script = (
        "import sys; from helpers.__main__ import main\n"
        f"main(['fetch', {source!r}, '--to', sys.argv[1], '--from', sys.argv[2]])\n"
        "assert 'tensorflow' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path / "to"), str(tmp_path / "mine")]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{10 if source == 'sample' else 1} pictures in {tmp_path / 'to'}" in done.stdout


def test_without_a_command_usage_is_shown(command):
    done = command()
    assert done.returncode == 2
    assert "usage: python -m helpers" in done.stderr


# fetch


def test_what_is_refused_is_a_warning_and_not_an_error(command, tmp_path, picture):
    images.write(tmp_path / "mine" / "good.png", picture)
    (tmp_path / "mine" / "bad.png").write_text("no picture")
    done = command("fetch", "own", "--from", "mine", "--to", "to")
    assert done.returncode == 0
    assert "1 pictures in to" in done.stdout
    assert re.search(r"^warning: 1 of 2 pictures refused.*refused\.csv$", done.stderr, re.MULTILINE)
    assert files(tmp_path / "to") == ["good.png", "refused.csv"]


def test_unknown_source(command, tmp_path):
    fails(
        command("fetch", "instagram", "--to", "to"),
        "unknown source 'instagram'",
        "choose .*sample.*own",
    )
    assert files(tmp_path) == []


def test_own_without_a_folder(command):
    fails(command("fetch", "own", "--to", "to"), "--from")


def test_empty_and_missing_folder(command, tmp_path):
    (tmp_path / "empty").mkdir()
    fails(
        command("fetch", "own", "--from", "empty", "--to", "to"),
        "no pictures in empty",
        "put some there",
    )
    fails(command("fetch", "own", "--from", "nowhere", "--to", "to"), "no folder nowhere")
    assert not (tmp_path / "to").exists()


def test_folder_of_broken_pictures(command, tmp_path, bomb, speckle):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "text.jpg").write_text("no picture")
    (tmp_path / "mine" / "empty.webp").touch()
    images.write(tmp_path / "whole.jpg", speckle)
    (tmp_path / "mine" / "half.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:3000])
    bomb.rename(tmp_path / "mine" / "bomb.png")
    fails(
        command("fetch", "own", "--from", "mine", "--to", "to"),
        "none of 4 pictures can be used",
        r"bomb\.png",
        "pixels",
    )
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("source", ["sample", "own"])
def test_no_permission_to_write(command, tmp_path, picture, source, bound_by_permissions):
    images.write(tmp_path / "mine" / "x.png", picture)
    (tmp_path / "locked").mkdir(mode=0o555)
    done = command("fetch", source, "--from", "mine", "--to", "locked", before=bound_by_permissions)
    fails(done, r"cannot write locked/\w+\.png", "Permission denied", "another folder")
    assert files(tmp_path / "locked") == []


@pytest.mark.parametrize("to", ["file", "file/deeper"])
def test_a_file_where_the_folder_should_be(command, tmp_path, picture, to):
    images.write(tmp_path / "mine" / "x.png", picture)
    (tmp_path / "file").write_text("here first")
    fails(
        command("fetch", "own", "--from", "mine", "--to", to),
        r"cannot write file\W",
        "another folder",
    )
    assert (tmp_path / "file").read_text() == "here first"
    assert files(tmp_path) == ["file", "mine/x.png"]


@pytest.mark.parametrize("source", ["sample", "own"])
def test_full_disk(command, tmp_path, speckle, source, no_space):
    images.write(tmp_path / "mine" / "x.jpg", speckle)
    done = command("fetch", source, "--from", "mine", "--to", "to", before=no_space)
    fails(done, r"cannot write to/\w+\.(png|jpg)", "free space")
    assert files(tmp_path / "to") == []


# run


def test_no_such_lesson(command):
    fails(command("run", "99"), "no lesson 99")


def test_unknown_profile(command):
    done = command("run", "--profile", "fast")
    assert done.returncode == 2
    assert re.search(r"error: .*'fast'.*smoke.*quick.*full", done.stderr)


def test_control_c_says_that_nothing_is_lost(monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("helpers.app.lessons.run", stop)
    assert command.main(["run"]) == 130
    assert "stopped" in capsys.readouterr().err
