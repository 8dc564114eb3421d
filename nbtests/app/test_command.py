import errno
import json
import os
import re
import subprocess
import sys

import pytest

from helpers import ROOT, batching, images
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


def test_what_is_refused_is_said_and_has_a_status(command, tmp_path, picture):
    images.write(tmp_path / "mine" / "good.png", picture)
    (tmp_path / "mine" / "bad.png").write_text("no picture")
    done = command("fetch", "own", "--from", "mine", "--to", "to")
    assert done.returncode == 1
    assert "1 pictures in to" in done.stdout
    assert re.search(r"^warning: 1 of 2 pictures refused.*refused\.csv$", done.stderr, re.MULTILINE)
    assert files(tmp_path / "to") == ["good.png", "origins.csv", "refused.csv"]


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
    fails(command("fetch", "own", "--from", "nowhere", "--to", "to"), "no folder or file nowhere")
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


def test_an_empty_name_is_no_folder(command, tmp_path, picture):
    images.write(tmp_path / "x.png", picture)
    for words in (["fetch", "own", "--from", ""], ["survey", ""], ["fetch", "own", "--to", " "]):
        done = command(*words)
        assert done.returncode == 2
        assert "names no file or folder" in done.stderr
    assert files(tmp_path) == ["x.png"]


def test_a_link_to_nowhere_is_named(command, tmp_path, picture):
    images.write(tmp_path / "mine" / "x.png", picture)
    (tmp_path / "mine" / "gone.png").symlink_to("elsewhere.png")
    done = command("fetch", "own", "--from", "mine", "--to", "to")
    assert (done.returncode, done.stdout) == (1, "1 pictures in to\n")
    assert "gone.png" in done.stderr


def test_an_error_of_the_system_names_the_file(monkeypatch, capsys):
    def fail(*_):
        raise OSError(errno.ENAMETOOLONG, "File name too long", "long.png")

    monkeypatch.setattr("helpers.app.lessons.run", fail)
    assert command.main(["run"]) == 2
    assert capsys.readouterr().err == "error: long.png: File name too long; shorten the name\n"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_a_console_that_lacks_letters_turns_no_success_into_failure(
    tmp_path, picture, encoding, command, monkeypatch
):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    monkeypatch.setenv("PYTHONUTF8", "0")
    to = "여름"
    images.write(tmp_path / "mine" / "사진.png", picture)
    (tmp_path / "mine" / "파손.png").write_text("no picture")
    done = command("fetch", "own", "--from", "mine", "--to", to, encoding=encoding)
    shown = to.encode(encoding, "backslashreplace").decode(encoding)
    assert (done.returncode, done.stdout) == (1, f"1 pictures in {shown}\n"), done.stderr
    done = command("survey", to, encoding=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 files, 1 readable")
    done = command("survey", "없음", encoding=encoding)
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no folder ")


@pytest.mark.skipif(os.name == "nt", reason="a name of Windows is always text")
def test_a_name_that_is_no_text_is_listed_and_printed(command, tmp_path, picture):
    images.write(tmp_path / "mine" / "x.png", picture)
    (tmp_path / "mine" / os.fsdecode(b"\xff\xfe.png")).write_text("no picture")
    done = command("fetch", "own", "--from", "mine", "--to", "to")
    assert (done.returncode, done.stdout) == (1, "1 pictures in to\n"), done.stderr
    assert r"\udcff\udcfe.png" in (tmp_path / "to" / "refused.csv").read_text(encoding="utf-8")


def test_a_worker_that_the_system_ends_is_a_sentence(monkeypatch, capsys):
    """As where the memory is full: joblib starts processes, and none of them comes back."""
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    monkeypatch.setattr(
        "helpers.app.sources.survey",
        lambda folder, executor: list(batching.parallel_map(os._exit, [1] * 500, "survey")),
    )
    assert command.main(["survey", "."]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: the system ended a part of this work, most likely for lack of")


# run


def test_no_such_lesson(command):
    fails(command("run", "99"), "no lesson 99", "there: 01_download, .*06_espcn")


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
