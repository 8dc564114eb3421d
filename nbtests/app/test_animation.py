"""GIFs and other animations drawn by code, through `film.rewrite`."""

import itertools
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageSequence

from helpers import images
from helpers.app import animation, film


def twice(frame):
    return images.enlarge(frame, 2)


def rewritten(source, folder, draw=twice):
    return film.rewrite(draw, source, folder / f"out{source.suffix}", "Restored with x")


def broken(tmp_path, source, words):
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(ValueError, match=words):
        rewritten(source, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def moving_gif(path, durations=(50, 100, 70), loop=3, clear=True, comment=None):
    frames = []
    for k in range(len(durations)):
        rgba = np.zeros((24, 32, 4), np.uint8)
        rgba[..., 3] = 255 - 255 * clear
        rgba[4:20, 4 + 4 * k : 16 + 4 * k] = (200, 10 * k, 0, 255)
        frames.append(Image.fromarray(rgba if clear else rgba[..., :3]))
    options = {"comment": comment} if comment else {}
    options |= {"loop": loop} if loop is not None else {}
    frames[0].save(
        path, save_all=True, append_images=frames[1:], duration=durations, disposal=2, **options
    )
    return path


@pytest.mark.parametrize("clear", [True, False])
@pytest.mark.parametrize("loop", [None, 0, 3])
def test_a_gif_keeps_times_loop_and_transparency(tmp_path, clear, loop):
    source = moving_gif(tmp_path / "x.gif", loop=loop, clear=clear, comment="by hand")
    assert film.moves(source)
    result = rewritten(source, tmp_path)
    with Image.open(result) as file:
        assert (file.format, file.n_frames, file.size) == ("GIF", 3, (64, 48))
        assert file.info.get("loop") == loop
        assert file.info["comment"] == b"by hand; Restored with x"
        assert [f.info["duration"] for f in ImageSequence.Iterator(file)] == [50, 100, 70]
    for (old, _), (new, _) in zip(animation.frames(source), animation.frames(result), strict=True):
        alpha = (
            np.asarray(Image.fromarray(old[..., 3]).resize((64, 48), Image.Resampling.BICUBIC))
            >= 128
        )
        np.testing.assert_array_equal(new[..., 3] == 255, alpha)
        seen = alpha & (
            np.asarray(Image.fromarray(old[..., 0]).resize((64, 48), Image.Resampling.NEAREST))
            == 200
        )
        assert np.abs(new[seen][:, :3].astype(int) - (200, new[seen][0, 1], 0)).mean() < 12
    assert [frame.shape for frame in film.frames(result)] == [(48, 64, 3)] * 3


COLOURS = np.zeros((128, 3), np.uint8)
COLOURS[1:5] = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0)]
HOLE = 9  # The transparent entry of a drawn GIF


def drawn_gif(path, frames, size=(16, 12), screen=None):
    """Write (left, top, entries below 128, disposal) by the format's own rules."""
    width, height = screen or size
    blocks = [b"GIF89a", struct.pack("<2H3B", width, height, 0x86, 0, 0), COLOURS.tobytes()]
    for left, top, entries, disposal in frames:
        flags = disposal << 2 | (HOLE in entries)
        blocks.append(struct.pack("<3sBHBB", b"!\xf9\x04", flags, 5, HOLE, 0))
        height, width = entries.shape
        blocks.append(struct.pack("<c4HBB", b",", left, top, width, height, 0, 7))
        # Codes of 8 bits are the entries themselves, as long as the table is cleared in time
        codes = b"\x80".join(row.tobytes() for row in entries)
        codes = b"\x80" + codes + b"\x81"
        for start in range(0, len(codes), 255):
            block = codes[start : start + 255]
            blocks.append(bytes([len(block)]) + block)
        blocks.append(b"\0")
    path.write_bytes(b"".join(blocks) + b";")
    return path


def seen(frames, size=(16, 12)):
    """For each frame what is seen: a pixel's last colour neither cleared nor taken back."""
    layers = []
    inside = []
    for left, top, entries, _ in frames:
        place = np.s_[top : top + entries.shape[0], left : left + entries.shape[1]]
        layers.append(np.full(size[::-1], HOLE))
        layers[-1][place] = entries
        inside.append(np.zeros(size[::-1], bool))
        inside[-1][place] = True
    for k in range(len(frames)):
        entries = layers[k].copy()
        known = entries != HOLE
        for j in reversed(range(k)):
            if frames[j][3] == 3:  # Taken back
                continue
            if frames[j][3] == 2:
                known |= inside[j]  # Cleared: nothing from before is seen
            fresh = ~known & (layers[j] != HOLE)
            entries[fresh] = layers[j][fresh]
            known |= fresh
        alpha = np.where(entries == HOLE, 0, 255)
        yield np.dstack([COLOURS[entries], alpha]).astype(np.uint8)


@pytest.mark.parametrize("hole", [False, True])
@pytest.mark.parametrize("disposals", list(itertools.product(range(4), repeat=3)))
def test_a_gif_s_frames_are_disposed_of_as_they_say(disposals, hole, tmp_path):
    """The first frame may cover all: what is cleared then is transparent too, and not black."""
    ground = np.full((12, 16), 1, np.uint8)
    ground[2:5, 2:5] = HOLE if hole else 1
    ring = np.array([[1] * 5, [1, 0, 1, 1, 1], [1] * 5, [1] * 5], np.uint8)
    frames = [(0, 0, ground, disposals[0])]
    for k, (left, top) in enumerate([(3, 3), (6, 5), (1, 6)], 1):
        part = np.where(ring == 1, np.uint8(k + 1), np.uint8(HOLE))
        frames.append((left, top, part, [*disposals, 1][k]))
    source = drawn_gif(tmp_path / "x.gif", frames)
    right = list(seen(frames))
    for file, times in ((source, 1), (rewritten(source, tmp_path, repeat), 2)):
        for rgba, (got, duration) in zip(right, animation.frames(file), strict=True):
            large = rgba.repeat(times, 0).repeat(times, 1)
            visible = large[..., 3] == 255
            np.testing.assert_array_equal(got[..., 3] == 255, visible)
            np.testing.assert_allclose(got[visible].astype(int), large[visible], atol=1)
            assert duration == 50


def test_a_gif_s_first_frame_may_enlarge_the_screen_and_later_ones_are_cut(tmp_path):
    ground = np.full((12, 16), 1, np.uint8)
    frames = [(0, 0, ground, 0), (8, 8, ground, 2), (40, 40, ground, 2), (8, 0, ground, 0)]
    source = drawn_gif(tmp_path / "x.gif", frames, screen=(4, 4))
    got = [rgba for rgba, _ in animation.frames(source)]
    assert {rgba.shape for rgba in got} == {(12, 16, 4)}
    assert [int(rgba[8:, 8:, 3].max()) for rgba in got] == [255, 255, 0, 255]
    with Image.open(rewritten(source, tmp_path, repeat)) as file:
        assert file.size == (32, 24)


def test_a_gif_with_an_empty_frame_leaves_nothing(tmp_path):
    frames = [(0, 0, np.ones((12, 16), np.uint8), 0), (0, 0, np.ones((0, 5), np.uint8), 0)]
    broken(tmp_path, drawn_gif(tmp_path / "x.gif", frames), r"damaged \(a frame has no pixels\)")


def test_a_still_gif_does_not_move(tmp_path, picture):
    images.write(tmp_path / "x.gif", picture)
    assert not film.moves(tmp_path / "x.gif")
    (tmp_path / "y.gif").write_text("no GIF")
    assert not film.moves(tmp_path / "y.gif")


def test_a_cut_gif_leaves_nothing(tmp_path):
    source = moving_gif(tmp_path / "x.gif")
    source.write_bytes(source.read_bytes()[:-30])
    broken(tmp_path, source, r"x\.gif is (cut|damaged)")


def test_a_stopped_gif_leaves_nothing(tmp_path):
    def stop(frame):
        raise KeyboardInterrupt

    source = moving_gif(tmp_path / "x.gif")
    with pytest.raises(KeyboardInterrupt):
        rewritten(source, tmp_path, draw=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["x.gif"]


def repeat(frame):
    return frame.repeat(2, 0).repeat(2, 1)


def test_no_row_of_a_transparent_gif_vanishes(tmp_path):
    """Its frame of light pixels, whose colour comes first in the palette, has a hole."""
    frames = []
    for k in range(4):
        rgba = np.full((24, 32, 4), (220, 220, 220, 255), np.uint8)
        rgba[4:20, 4:28] = 0
        rgba[8:16, 6 : 12 + 3 * k] = (40, 60 * k, 120, 255)
        frames.append(Image.fromarray(rgba))
    source = tmp_path / "x.gif"
    frames[0].save(source, save_all=True, append_images=frames[1:], duration=50, disposal=2)
    result = rewritten(source, tmp_path, draw=repeat)
    for frame, (new, _) in zip(frames, animation.frames(result), strict=True):
        old = repeat(np.asarray(frame)).astype(int)
        seen = old[..., 3] == 255
        assert np.abs(old - new)[seen].mean() < 4
        assert (new[seen][:, 3] == 255).mean() > 0.98


@pytest.mark.parametrize("padding", [bytes(100), b"padded with words, and a comma; or two"])
def test_a_gif_that_is_padded_after_its_end_is_whole(tmp_path, padding):
    source = moving_gif(tmp_path / "x.gif")
    source.write_bytes(source.read_bytes() + padding)
    assert len(list(film.frames(rewritten(source, tmp_path)))) == 3


def test_a_gif_whose_pixels_end_like_a_trailer_is_still_cut(tmp_path):
    source = moving_gif(tmp_path / "x.gif")
    source.write_bytes(source.read_bytes()[:-30] + b";;;;")
    broken(tmp_path, source, r"x\.gif is (cut|damaged)")


def moving(path, clear=True, **options):
    """Three pictures that move, and what they show."""
    shown = []
    for k in range(3):
        rgba = np.zeros((24, 32, 4), np.uint8)
        rgba[..., 3] = 0 if clear else 255
        rgba[4:20, 4 + 4 * k : 16 + 4 * k] = (200, 40 * k, 0, 255)
        if clear:
            rgba[8, 10 + 4 * k, 3] = 128
        shown.append(rgba)
    first, *rest = (Image.fromarray(rgba if clear else rgba[..., :3]) for rgba in shown)
    options = {"duration": [50, 100, 70], "loop": 3, "lossless": True} | options
    options["disposal"] = 2 if clear else 0  # What is disposed of is clear, as browsers show it
    if path.suffix == ".avif":
        options |= {"quality": 100}
    first.save(path, save_all=True, append_images=rest, **options)
    return shown


@pytest.mark.parametrize("clear", [True, False])
@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif"])
def test_other_animations_keep_frames_times_loop_and_transparency(tmp_path, suffix, clear):
    source = tmp_path / f"x{suffix}"
    shown = moving(source, clear)
    assert film.moves(source)
    result = rewritten(source, tmp_path, draw=repeat)
    with Image.open(result) as file:
        assert (file.n_frames, file.size) == (3, (64, 48))
        if suffix != ".avif":  # Pillow reads no loop from it
            assert file.info["loop"] == 3
        assert "Restored with x" in str(file.info.get("Software") or file.getexif()[0x131])
    new = list(animation.frames(result))
    assert [duration for _, duration in new] == [50, 100, 70]
    for old, (rgba, _) in zip(shown, new, strict=True):
        alpha = repeat(old)[..., 3:] / 255
        errors = np.abs(repeat(old)[..., :3] * alpha - rgba[..., :3] * (rgba[..., 3:] / 255.0))
        assert errors.mean() < 4
        assert np.abs(rgba[..., 3] - alpha[..., 0] * 255).mean() < 8


def test_opaque_pieces_on_a_clear_ground_stay_so_in_webp(tmp_path):
    source = moving_gif(tmp_path / "x.gif")
    animation.rewrite(repeat, source, tmp_path / "out.webp", "label")
    for rgba, _ in animation.frames(tmp_path / "out.webp"):
        assert (rgba[:6, :, 3] < 64).all() and (rgba[:2, :, 3] == 0).all()


def test_a_lossless_webp_stays_lossless_and_a_lossy_one_small(tmp_path):
    for lossless in (True, False):
        moving(tmp_path / "x.webp", clear=False, lossless=lossless)
        result = rewritten(tmp_path / "x.webp", tmp_path, draw=repeat)
        assert animation._is_lossless(result.read_bytes()) == lossless


def test_a_still_png_does_not_move_nor_does_its_default_picture(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    assert not film.moves(tmp_path / "x.png")
    frames = [Image.new("RGB", (8, 8), (60 * k, 0, 0)) for k in range(4)]
    frames[0].save(
        tmp_path / "y.png", save_all=True, append_images=frames[1:], default_image=True, duration=40
    )
    seen = [int(rgba[0, 0, 0]) for rgba, _ in animation.frames(tmp_path / "y.png")]
    assert seen == [60, 120, 180]


def test_texts_and_profile_of_an_animation_are_kept(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    packet = f'<rdf:RDF xmlns:rdf="{rdf}"><rdf:Description note="attic"/></rdf:RDF>'
    moving(tmp_path / "x.webp", icc_profile=profile, xmp=packet.encode())
    result = rewritten(tmp_path / "x.webp", tmp_path)
    with Image.open(result) as file:
        assert file.info["icc_profile"] == profile
        assert b'note="attic"' in file.info["xmp"]
        assert b"algorithmicallyEnhanced" in file.info["xmp"]


def chunk(kind, content):
    ends = struct.pack(">I", len(content)), struct.pack(">I", zlib.crc32(kind + content))
    return ends[0] + kind + content + ends[1]


def drawn_png(path, frames, size, still=None, layout=(6, 8, ())):
    """Write (left, top, pixels, disposal, blend) by the format's own rules.

    `still` is a picture for viewers that show no frames; without one the first frame is.
    """
    width, height = size
    colour, depth, tables = layout
    kind = struct.pack(">5B", depth, colour, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">2I", width, height) + kind)]
    parts += [chunk(b"acTL", struct.pack(">2I", len(frames), 3))]
    parts += [chunk(*table) for table in tables]

    def packed(pixels):
        values = pixels.astype(">u2") if depth == 16 else pixels
        rows = [b"\0" + row.tobytes() for row in values]
        return zlib.compress(b"".join(rows))

    number = 0
    if still is not None:
        parts.append(chunk(b"IDAT", packed(still)))
    for k, (left, top, pixels, disposal, blend) in enumerate(frames):
        told = (number, pixels.shape[1], pixels.shape[0], left, top, 5, 100, disposal, blend)
        parts.append(chunk(b"fcTL", struct.pack(">5I2H2B", *told)))
        number += 1
        if k == 0 and still is None:
            parts.append(chunk(b"IDAT", packed(pixels)))
            continue
        halves = packed(pixels)  # A frame may lie in several chunks
        for half in (halves[:20], halves[20:]):
            parts.append(chunk(b"fdAT", struct.pack(">I", number) + half))
            number += 1
    path.write_bytes(b"".join(parts) + chunk(b"IEND", b""))
    return path


def shown_png(frames, size):
    """What the specification shows of frames of (h, w, 4) uint8: red, green, blue and alpha."""
    canvas = np.zeros((size[1], size[0], 4))
    for left, top, pixels, disposal, blend in frames:
        before = canvas.copy()
        height, width = pixels.shape[:2]
        part = canvas[top : top + height, left : left + width]
        new = pixels / 255
        if blend:
            alpha = new[..., 3:] + part[..., 3:] * (1 - new[..., 3:])
            light = new[..., :3] * new[..., 3:] + part[..., :3] * part[..., 3:] * (1 - new[..., 3:])
            part[..., :3] = np.divide(light, alpha, out=np.zeros_like(light), where=alpha > 0)
            part[..., 3:] = alpha
        else:
            part[:] = new
        yield 255 * canvas
        if disposal == 1:
            part[:] = 0
        elif disposal == 2:
            canvas = before


def light(rgba):
    return rgba[..., :3] * (rgba[..., 3:] / 255.0)


def some_frames(rng, size, channels=4):
    """Frames of which the first covers all; after each comes another of what may follow."""
    width, height = size
    frames = []
    for k in range(8):
        h, w = (height, width) if k == 0 else (rng.integers(1, side) for side in (height, width))
        left, top = rng.integers(width - w + 1), rng.integers(height - h + 1)
        pixels = rng.integers(0, 256, (h, w, channels), np.uint8)
        if channels == 4:
            pixels[..., 3] = rng.choice([0, 90, 255], (h, w))
        frames.append((left, top, pixels, rng.integers(3), rng.integers(2)))
    return frames


@pytest.mark.parametrize("still", [False, True])
@pytest.mark.parametrize("disposal", [0, 1, 2])
def test_frames_of_a_png_lie_upon_each_other_as_in_browsers(tmp_path, disposal, still):
    size = 16, 12
    for seed in range(6):
        rng = np.random.default_rng(seed)
        frames = some_frames(rng, size)
        frames[0] = *frames[0][:3], disposal, frames[0][4]
        picture = rng.integers(0, 256, (12, 16, 4), np.uint8) if still else None
        source = drawn_png(tmp_path / "x.png", frames, size, picture)
        got = list(animation.frames(source))
        for (rgba, duration), expected in zip(got, shown_png(frames, size), strict=True):
            assert duration == 50
            np.testing.assert_allclose(rgba[..., 3], expected[..., 3], atol=2)
            np.testing.assert_allclose(light(rgba), light(expected), atol=3)


@pytest.mark.parametrize("colour, depth", [(0, 8), (0, 16), (2, 8), (2, 16), (3, 8)])
def test_frames_of_a_png_of_other_colours(tmp_path, colour, depth):
    size = 16, 12
    rng = np.random.default_rng(colour)
    stored, shown = [], []
    palette = rng.integers(0, 256, (256, 4), np.uint8)
    for left, top, pixels, disposal, blend in some_frames(rng, size, 3 if colour == 2 else 1):
        values = pixels.astype(np.uint16) * (257 if depth == 16 else 1)
        if colour == 3:
            rgba = palette[pixels[..., 0]]
        else:
            rgb = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
            rgba = np.dstack([rgb, np.full(pixels.shape[:2], 255, np.uint8)])
        stored.append((left, top, values if depth == 16 else pixels, disposal, blend))
        shown.append((left, top, rgba, disposal, blend))
    tables = [(b"PLTE", palette[:, :3].tobytes()), (b"tRNS", palette[:, 3].tobytes())]
    layout = colour, depth, tables if colour == 3 else ()
    source = drawn_png(tmp_path / "x.png", stored, size, layout=layout)
    for (rgba, _), expected in zip(animation.frames(source), shown_png(shown, size), strict=True):
        np.testing.assert_allclose(rgba[..., 3], expected[..., 3], atol=2)
        np.testing.assert_allclose(light(rgba), light(expected), atol=3)
    if depth == 16:
        with pytest.warns(
            UserWarning, match=r"x\.png has 16 bits a colour, and 8 of them are kept"
        ):
            rewritten(source, tmp_path, draw=repeat)


def test_a_png_whose_frames_are_taken_back_is_kept(tmp_path):
    """What is rewritten shows what the source shows."""
    ground = np.full((12, 16, 4), (200, 60, 20, 255), np.uint8)
    spot = np.full((4, 4, 4), (20, 60, 200, 255), np.uint8)
    frames = [(0, 0, ground, 0, 0), (2, 2, spot, 2, 1), (8, 6, spot, 2, 1), (0, 0, spot, 0, 1)]
    result = rewritten(drawn_png(tmp_path / "x.png", frames, (16, 12)), tmp_path, draw=repeat)
    new = [rgba for rgba, _ in animation.frames(result)]
    assert len(new) == 4
    for rgba, expected in zip(new, shown_png(frames, (16, 12)), strict=True):
        np.testing.assert_allclose(rgba, repeat(expected), atol=2)


@pytest.mark.parametrize(
    "old, new, words",
    [
        (b"acTL\0\0\0\x03", b"acTL\0\0\0\x04", "3 of 4 frames are there"),
        (b"fdAT\0\0\0\x02", b"fdAT\0\0\0\x05", "not in order"),
        (b"fcTL\0\0\0\x01\0\0\0\x04", b"fcTL\0\0\0\x01\0\0\0\x40", "outside the picture"),
    ],
)
def test_a_png_whose_frames_are_wrong_leaves_nothing(tmp_path, old, new, words):
    ground = np.full((12, 16, 4), 255, np.uint8)
    frames = [(0, 0, ground, 0, 0), (2, 2, ground[:4, :4], 2, 1), (8, 6, ground[:4, :4], 2, 1)]
    source = drawn_png(tmp_path / "x.png", frames, (16, 12))
    content = source.read_bytes()
    at = content.index(old)
    length = int.from_bytes(content[at - 4 : at], "big")
    told = content[at + 4 : at + 4 + length].replace(old[4:], new[4:], 1)
    rest = content[at + 8 + length :]
    source.write_bytes(content[: at - 4] + chunk(old[:4], told) + rest)
    broken(tmp_path, source, words)


@pytest.mark.parametrize("kept", [0.5, 0.9, 0.98])
def test_a_cut_png_leaves_nothing(tmp_path, kept):
    source = drawn_png(
        tmp_path / "x.png", some_frames(np.random.default_rng(0), (16, 12)), (16, 12)
    )
    content = source.read_bytes()
    source.write_bytes(content[: int(len(content) * kept)])
    broken(tmp_path, source, r"x\.png is (cut|damaged)")
