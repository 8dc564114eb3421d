"""Films drawn at random through `film.rewrite`, each compared with what ffmpeg reads of both files.

    .venv/bin/python nbtests/bench/bench_films.py [--films 40] [--seed 0] [--keep FOLDER]

`draw` only repeats pixels, so every difference is the film path's. One that no warning names is
silent; the bar is none. The ffmpeg command line is the independent reader: Debian's package ffmpeg.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import warnings
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from helpers.app import film  # noqa: E402

FRAMES = 20
CODECS = {  # {codec: pixel formats that it is drawn in}
    "libx264": ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "gray"],
    "libx265": ["yuv420p", "yuv420p10le", "yuv422p10le"],
    "libvpx-vp9": ["yuv420p", "yuva420p", "yuv444p"],
    "libvpx": ["yuv420p", "yuva420p"],
    "prores_ks": ["yuv422p10le", "yuva444p10le"],
    "qtrle": ["rgb24", "argb"],
    "ffv1": ["bgr0", "bgra", "yuv420p", "yuv422p10le", "gbrp10le", "gray"],
    "utvideo": ["gbrp", "yuv420p"],
    "mjpeg": ["yuvj420p", "yuvj422p"],
    "png": ["rgb24", "rgba"],
    "huffyuv": ["yuv422p"],
    "dvvideo": ["yuv420p"],
}
# {suffix: (codecs, sounds, subtitles, what else it holds)}
LONG = ["libx264", "libx265", "mpeg4"]
CONTAINERS = {
    ".mp4": (LONG, ["aac", "ac3", "mp3", "alac"], ["mov_text"], "chapters matrix vfr"),
    ".m4v": (["libx264", "mpeg4"], ["aac", "alac"], ["mov_text"], "chapters matrix vfr"),
    ".mov": (
        [*LONG, "prores_ks", "qtrle", "mjpeg", "png"],
        ["aac", "pcm_s16le", "pcm_s24le", "alac", "adpcm_ima_qt", "pcm_mulaw"],
        ["mov_text"],
        "chapters matrix vfr",
    ),
    ".mkv": (
        [*LONG, "ffv1", "libvpx-vp9", "mpeg2video", "utvideo"],
        ["aac", "flac", "libopus", "libvorbis", "ac3", "pcm_s16le", "mp2"],
        ["srt", "ass"],
        "chapters attachments vfr",
    ),
    ".webm": (
        ["libvpx-vp9", "libvpx"],
        ["libopus", "libvorbis"],
        ["webvtt"],
        "chapters vfr",
    ),
    ".avi": (
        ["mpeg4", "mjpeg", "ffv1", "msmpeg4v2", "huffyuv", "utvideo"],
        ["mp3", "pcm_s16le", "adpcm_ms", "adpcm_ima_wav", "ac3", "wmav2", "pcm_u8"],
        [],
        "",
    ),
    ".wmv": (["wmv1", "wmv2"], ["wmav1", "wmav2"], [], ""),
    ".mpg": (["mpeg1video", "mpeg2video"], ["mp2", "ac3"], [], ""),
    ".vob": (["mpeg2video"], ["ac3", "mp2", "pcm_dvd"], [], ""),
    ".mts": (["libx264", "mpeg2video"], ["ac3"], [], ""),
    ".ts": (["libx264", "mpeg2video", "libx265"], ["aac", "ac3", "mp2"], [], ""),
    ".flv": (["flv", "libx264"], ["mp3", "aac"], [], ""),
    ".ogv": (["libtheora"], ["libvorbis", "libopus", "flac"], [], ""),
    ".3gp": (["h263", "mpeg4", "libx264"], ["aac"], [], "matrix"),
}
RATES = ["10", "12", "24000/1001", "25", "30000/1001", "30", "50"]
FIXED = {"mpeg1video", "mpeg2video"}  # which know a few rates only
# {name: (the display matrix's a, b, c, d, what it does to rows and columns)}
TURNS = {
    "upright": ((1, 0, 0, 1), lambda f: f),
    "mirrored": ((-1, 0, 0, 1), lambda f: f[:, ::-1]),
    "half": ((-1, 0, 0, -1), lambda f: f[::-1, ::-1]),
    "flipped": ((1, 0, 0, -1), lambda f: f[::-1]),
    "transposed": ((0, 1, 1, 0), lambda f: f.swapaxes(0, 1)),
    "clockwise": ((0, 1, -1, 0), lambda f: np.rot90(f, -1)),
    "counter": ((0, -1, 1, 0), lambda f: np.rot90(f, 1)),
    "transverse": ((0, -1, -1, 0), lambda f: f[::-1, ::-1].swapaxes(0, 1)),
}
SWS = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
FINE = 8  # parts of a sample, in which sounds are laid upon each other
ESTIMATED = {".mpg", ".vob", ".mts", ".ts"}  # ffprobe guesses how long they are
# {difference: words of a warning that names it}
SAID = {
    "alpha": "transparent",
    "sounds": "left out",
    "subtitles": "left out",
    "attached": "left out",
    "aspect": "square",
    "shape": "square",
}


def draw_plan(rng: np.random.Generator) -> dict:
    """What a film is made of."""
    suffix = str(rng.choice(list(CONTAINERS)))
    codecs, sounds, subtitles, holds = CONTAINERS[suffix]
    codec = str(rng.choice(codecs))
    pix_fmt = str(rng.choice(CODECS.get(codec, ["yuv420p"])))
    plan = {"suffix": suffix, "codec": codec, "pix_fmt": pix_fmt, "factor": int(rng.choice([1, 2]))}
    plan["size"] = [int(16 * rng.integers(5, 10)), int(16 * rng.integers(4, 9))]
    plan["rate"] = str(rng.choice(RATES[2:] if codec in FIXED else RATES))
    if codec == "h263":
        plan["size"], plan["rate"] = [176, 144], "25"
    plan["vfr"] = "vfr" in holds and bool(rng.random() < 0.3)
    turned = "matrix" in holds and rng.random() < 0.6
    plan["turn"] = str(rng.choice(list(TURNS))) if turned else "upright"
    plan["interlaced"] = codec == "mpeg2video" and bool(rng.random() < 0.4)
    plan["aspect"] = str(rng.choice(["1", "1", "16/15", "4/3"])) if suffix != ".3gp" else "1"
    plan["sounds"] = [str(s) for s in rng.choice(sounds, rng.integers(0, 3))]
    if suffix in (".flv", ".avi", ".wmv", ".3gp", ".mts", ".vob", ".mpg"):
        plan["sounds"] = plan["sounds"][:1]
    plan["subtitles"] = str(rng.choice(subtitles)) if subtitles and rng.random() < 0.5 else ""
    plan["chapters"] = "chapters" in holds and bool(rng.random() < 0.5)
    plan["attached"] = "attachments" in holds and bool(rng.random() < 0.5)
    light = ["", "hlg", "pq"] if codec == "libx265" and "10le" in pix_fmt else [""]
    plan["light"] = str(rng.choice(light))
    return plan


def pictures(plan: dict, rng: np.random.Generator) -> bytes:
    """Soft patches that drift, brighter towards one corner, as raw RGBA."""
    width, height = plan["size"]
    grain = rng.uniform(40, 215, (6, 8, 3)).astype(np.float32)
    large = cv2.resize(grain, (width + 2 * FRAMES, height), interpolation=cv2.INTER_CUBIC)
    if "gray" in plan["pix_fmt"]:
        large[:] = large.mean(axis=-1, keepdims=True)
    frames = []
    alpha = np.clip(np.linspace(-0.5, 1.5, width), 0, 1)
    for k in range(FRAMES):
        colours = large[:, k : k + width].clip(0, 255)
        colours[: height // 4, : width // 4] = 230
        channel = np.broadcast_to(255 * alpha, (height, width))
        frames.append(np.dstack([colours, channel]).round().astype(np.uint8))
    return np.stack(frames).tobytes()


def make(plan: dict, folder: Path, rng: np.random.Generator) -> Path:
    """The film of a plan, by ffmpeg."""
    path = folder / f"film{plan['suffix']}"
    width, height = plan["size"]
    seconds = float(FRAMES / Fraction(plan["rate"]))
    raw = ["-f", "rawvideo", "-pix_fmt", "rgba", "-s", f"{width}x{height}"]
    inputs = [*raw, "-r", plan["rate"], "-i", "-"]
    maps = ["-map", "0:v"]
    outputs = video_options(plan)
    for k, codec in enumerate(plan["sounds"]):
        pitch = f"0.4*sin(2*PI*(300+{200 * k})*t*(1+t)):d={seconds:.3f}:s=44100"
        inputs += ["-f", "lavfi", "-i", f"aevalsrc={pitch}"]
        maps += ["-map", f"{k + 1}:a"]
        outputs += [f"-c:a:{k}", codec, "-strict", "-2"]
        outputs += [f"-metadata:s:a:{k}", f"language={['eng', 'kor'][k]}"]
        outputs += [f"-metadata:s:a:{k}", f"title=Sound {k}"]
        outputs += [f"-disposition:a:{k}", "default" if k == len(plan["sounds"]) - 1 else "0"]
    if {"pcm_dvd", "libopus"} & set(plan["sounds"]):
        outputs += ["-ar", "48000"]
    if plan["subtitles"]:
        text = folder / "words.srt"
        text.write_text(
            "1\n00:00:00,100 --> 00:00:00,300\nOne\n\n2\n00:00:00,400 --> 00:00:05,000\nTwo"
        )
        maps += ["-map", f"{len(plan['sounds']) + 1}:s"]
        inputs += ["-i", str(text)]
        outputs += ["-c:s", plan["subtitles"], "-metadata:s:s:0", "language=deu"]
    if plan["chapters"]:
        chapters = folder / "chapters.txt"
        marks = "[CHAPTER]\nTIMEBASE=1/1000\nSTART={}\nEND={}\ntitle={}\n"
        told = ";FFMETADATA1\n" + marks.format(0, 200, "One") + marks.format(200, 400, "Two")
        chapters.write_text(told)
        index = sum(word == "-i" for word in inputs)
        inputs += ["-i", str(chapters)]
        outputs += ["-map_chapters", str(index)]
    if plan["attached"]:
        font = folder / "font.ttf"
        font.write_bytes(rng.bytes(500))
        outputs += ["-attach", str(font), "-metadata:s:t", "mimetype=application/x-truetype-font"]
    outputs += ["-metadata", "title=A film"]
    run(["-y", *inputs, *maps, *outputs, str(path)], pictures(plan, rng))
    if plan["turn"] != "upright":
        turn(path, TURNS[plan["turn"]][0])
    return path


def video_options(plan: dict) -> list[str]:
    """How ffmpeg codes a plan's pictures."""
    options = ["-c:v", plan["codec"], "-pix_fmt", plan["pix_fmt"], "-b:v", "4M"]
    filters = []
    if plan["vfr"]:
        filters.append("select='not(eq(mod(n\\,5)\\,2))'")
        options += ["-fps_mode", "vfr"]
    if plan["interlaced"]:
        filters.append("setfield=tff")
        options += ["-flags", "+ilme+ildct"]
    filters.append(f"setsar={plan['aspect']}")
    if plan["codec"] == "libx265":
        options += ["-x265-params", "log-level=none"]
    if plan["light"]:
        transfer = {"hlg": "arib-std-b67", "pq": "smpte2084"}[plan["light"]]
        options += ["-colorspace", "bt2020nc", "-color_primaries", "bt2020"]
        options += ["-color_trc", transfer]
        filters.append("scale=out_color_matrix=bt2020")
    if plan["pix_fmt"].startswith("yuva") and plan["codec"].startswith("libvpx"):
        options += ["-auto-alt-ref", "0"]
    return [*options, "-vf", ",".join(filters), "-sws_flags", SWS]


def turn(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write a display matrix into the header of an MP4's pictures."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    at += 52 if data[at] else 40
    a, b, c, d = (value << 16 for value in matrix)
    values = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4")
    data[at : at + 36] = values.tobytes()
    path.write_bytes(data)


def run(words: list[str], given: bytes = b"", tool: str = "ffmpeg") -> bytes:
    """What a tool of ffmpeg prints."""
    done = subprocess.run([tool, "-v", "error", *words], input=given, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{tool} {' '.join(words)}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def probe(path: Path) -> dict:
    """What ffprobe says of a film."""
    words = ["-show_streams", "-show_format", "-show_chapters", "-of", "json", str(path)]
    told = json.loads(run(words, tool="ffprobe"))
    stamps = ["-select_streams", "v:0", "-show_entries", "frame=best_effort_timestamp_time"]
    frames = run([*stamps, "-of", "json", str(path)], tool="ffprobe")
    start = float(told["format"].get("start_time", 0))
    key = "best_effort_timestamp_time"
    told["times"] = [float(frame.get(key, "nan")) - start for frame in json.loads(frames)["frames"]]
    return told


def decoded(path: Path, told: dict, interlaced: bool) -> np.ndarray:
    """A film's frames as ffmpeg shows them without turning: (n, h, w, 4)."""
    stream = pictured(told)
    decoder = []
    tags = {key.lower(): text for key, text in stream.get("tags", {}).items()}
    if tags.get("alpha_mode") == "1":
        decoder = ["-c:v", {"vp8": "libvpx", "vp9": "libvpx-vp9"}[stream["codec_name"]]]
    filters = ["bwdif=mode=send_frame:deint=interlaced"] if interlaced else []
    # ffmpeg takes colours for centred between pixels unless told, and mirroring moves them then
    left = ":in_h_chr_pos=0:in_v_chr_pos=128" if stream.get("chroma_location") == "left" else ""
    if "420" not in stream["pix_fmt"]:  # Each row has its own colours
        left = left.replace("128", "0")
    filters.append(f"scale=flags={SWS}{left}")
    shown = ["-vf", ",".join(filters), "-fps_mode", "passthrough", "-f", "rawvideo"]
    shown += ["-pix_fmt", "rgba"]
    raw = run(["-noautorotate", *decoder, "-i", str(path), "-map", "0:v:0", *shown, "-"])
    return np.frombuffer(raw, np.uint8).reshape(-1, stream["height"], stream["width"], 4)


def heard(path: Path, told: dict, index: int) -> np.ndarray:
    """A sound, 8,000 samples a second, from the film's start."""
    start = told["format"].get("start_time", 0)
    words = ["-copyts", "-i", str(path), "-map", f"0:a:{index}", "-ac", "1"]
    clock = f"asetpts=PTS-{start}/TB,aresample=8000:async=1:first_pts=0"
    words += ["-af", clock, "-f", "s16le", "-"]
    return np.frombuffer(run(words), np.int16).astype(np.float64)


def compare(plan: dict, source: Path, result: Path) -> list[str]:
    """Every difference between a film and its result, in words that begin with its kind."""
    before, after = probe(source), probe(result)
    found = compare_pictures(plan, (source, before), (result, after))
    found += compare_times(plan, before, after)
    found += compare_tracks(before, after)
    begins = after["times"][0] - before["times"][0]
    for index in range(min(kinds(told).count("audio") for told in (before, after))):
        found += compare_sound(heard(source, before, index), heard(result, after, index), begins)
    return found


def kinds(told: dict) -> list[str]:
    return [stream["codec_type"] for stream in told["streams"]]


def compare_pictures(plan: dict, source: tuple, result: tuple) -> list[str]:
    found = []
    old = decoded(*source, plan["interlaced"])
    new = decoded(*result, False)
    turned = np.stack([TURNS[plan["turn"]][1](frame) for frame in old])
    large = turned.repeat(plan["factor"], 1).repeat(plan["factor"], 2).astype(np.float32)
    if large.shape != new.shape:
        return [f"shape: {new.shape} for {large.shape}"]
    visible = large[..., 3:] > 128
    errors = np.where(visible, new[..., :3] - large[..., :3], 0) / visible.mean()
    if np.abs(errors).mean() > 3:
        found.append(f"pictures: {np.abs(errors).mean():.1f} of 255 away")
    shift = errors.mean(axis=(0, 1, 2))
    if abs(shift.mean()) > 0.5 or np.abs(shift).max() > 1:  # H.264 itself shifts colours by 0.6
        found.append(f"pictures: shifted by {shift.round(2)} of 255")
    if np.abs(new[..., 3] - large[..., 3]).mean() > 3:
        found.append(f"alpha: {np.abs(new[..., 3] - large[..., 3]).mean():.1f} of 255 away")
    return found + compare_colours(plan, source[1], result[1])


def pictured(told: dict) -> dict:
    """What ffprobe says of a film's pictures."""
    return next(stream for stream in told["streams"] if stream["codec_type"] == "video")


def compare_colours(plan: dict, before: dict, after: dict) -> list[str]:
    found = []
    old, new = pictured(before), pictured(after)
    if "10" in old["pix_fmt"] and "10" not in new["pix_fmt"]:
        found.append(f"depth: {new['pix_fmt']} for {old['pix_fmt']}")
    keys = ["color_transfer", "color_primaries"]
    found += [
        f"light: {new.get(key)} for {old.get(key)}" for key in keys if old.get(key) != new.get(key)
    ]
    ratios = [Fraction(s.get("sample_aspect_ratio", "1:1").replace(":", "/")) for s in (old, new)]
    if TURNS[plan["turn"]][0][1]:
        ratios[0] = 1 / ratios[0]
    if ratios[0] != ratios[1]:
        found.append(f"aspect: {ratios[1]} for {ratios[0]}")
    return found


def compare_times(plan: dict, before: dict, after: dict) -> list[str]:
    found = []
    if len(before["times"]) != len(after["times"]):
        return [f"times: {len(after['times'])} frames for {len(before['times'])}"]
    old, new = (np.subtract(told["times"], told["times"][0]) for told in (before, after))
    late = np.nanmax(np.abs(old - new))
    if late > 0.0021:
        found.append(f"times: {late:.3f} s away")
    lasts = [float(told["format"].get("duration", 0)) for told in (before, after)]
    if plan["suffix"] in ESTIMATED:
        lasts[0] = max(lasts[0], FRAMES / Fraction(plan["rate"]))
    if abs(lasts[0] - lasts[1]) > 0.06:
        found.append(f"duration: {lasts[1]:.3f} for {lasts[0]:.3f} s")
    marks = [
        [(c["start_time"], c["end_time"], c["tags"]["title"]) for c in told["chapters"]]
        for told in (before, after)
    ]
    if marks[0] != marks[1]:
        found.append(f"chapters: {marks[1]} for {marks[0]}")
    return found


def compare_tracks(before: dict, after: dict) -> list[str]:
    found = []
    for kind, name in (("audio", "sounds"), ("subtitle", "subtitles"), ("attachment", "attached")):
        old, new = ([s for s in t["streams"] if s["codec_type"] == kind] for t in (before, after))
        if len(old) != len(new):
            found.append(f"{name}: {len(new)} for {len(old)}")
            continue
        for one, other in zip(old, new, strict=True):
            said = [labels(stream, kind == "audio") for stream in (one, other)]
            if said[0] != said[1]:
                found.append(f"labels: {said[1]} for {said[0]} of a {kind}")
    if before["format"].get("tags", {}).get("title") != after["format"].get("tags", {}).get(
        "title"
    ):
        found.append("labels: the film's title")
    return found


def labels(stream: dict, flagged: bool) -> tuple:
    tags = stream.get("tags", {})
    language = tags.get("language", "und")
    return language, tags.get("title"), flagged and stream["disposition"]["default"]


def compare_sound(old: np.ndarray, new: np.ndarray, begins: float) -> list[str]:
    """How a sound differs; `begins` is how much later the pictures begin."""
    size = len(old) + len(new)
    cross = np.fft.rfft(new, size) * np.conj(np.fft.rfft(old, size))
    # Between the samples, too: a container that counts milliseconds shifts by a part of one
    product = FINE * np.fft.irfft(cross, FINE * size)
    shift = int(np.argmax(product)) / FINE
    shift -= size if shift > size // 2 else 0
    likeness = product.max() / (np.linalg.norm(old) * np.linalg.norm(new) + 1e-9)
    found = []
    late = shift / 8000 - begins
    if abs(late) > 0.005:
        found.append(f"sound: {late:+.3f} s away")
    if likeness < 0.97 or abs(len(old) - len(new)) > 800:
        found.append(f"sound: alike by {likeness:.3f}, {len(new)} samples for {len(old)}")
    return found


def restore(plan: dict, source: Path) -> tuple[Path, list[str]]:
    """The result of a film, and the warnings."""
    suffix = source.suffix if source.suffix in film.KEPT else ".mkv"
    factor = plan["factor"]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = film.rewrite(
            lambda picture: picture.repeat(factor, 0).repeat(factor, 1),
            source,
            source.with_name(f"result{suffix}"),
            "Restored with nothing",
        )
    return result, [str(warning.message) for warning in said]


def try_film(plan: dict, folder: Path, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Silent differences of a film's result, and what was said."""
    source = make(plan, folder, rng)
    try:
        result, said = restore(plan, source)
    except ValueError as error:
        return [f"refused: {error}"], []
    words = " ".join(said)
    found = compare(plan, source, result)
    silent = [line for line in found if SAID.get(line.split(":")[0], "\0") not in words]
    return silent, said


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the films that differ")
    args = parser.parse_args()
    if not shutil.which("ffmpeg") or not shutil.which("ffprobe"):
        print("ffmpeg is not there; nothing was compared (Debian: apt install ffmpeg)")
        return 0
    silent = 0
    for k in range(args.films):
        rng = np.random.default_rng([args.seed, k])
        plan = draw_plan(rng)
        with tempfile.TemporaryDirectory() as folder:
            differences, said = try_film(plan, Path(folder), rng)
            if differences and args.keep:
                shutil.copytree(folder, args.keep / str(k), dirs_exist_ok=True)
        silent += len(differences)
        short = " ".join(str(value) for value in plan.values() if value)
        print(
            f"{k:3d} {short}", *differences, *(f"(said: {line})" for line in said), sep="\n      "
        )
    print(f"{args.films} films: {silent} silent differences")
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
