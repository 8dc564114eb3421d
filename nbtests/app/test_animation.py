"""GIFs and other animations drawn by code, through `film.rewrite`."""

import itertools
import struct

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
    options = {"duration": [50, 100, 70], "loop": 3, "disposal": 2, "lossless": True} | options
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
