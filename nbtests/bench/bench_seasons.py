"""Does a generated winter pass for a winter? Both directions, measured by a classifier that saw no
generator.

    .venv/bin/python nbtests/bench/bench_seasons.py FOLDER \\
        [--with summer_to_winter winter_to_summer]

FOLDER holds trainA (summer), trainB (winter) and, if there are, testA and testB; else a fifth of
the scenes is held out. The classifier, and a second one that sees only luma, learn from the
training pictures, with colour jitter, and are kept in data/prepared/seasons: train them before any
generator. Then for the held-out pictures the share that each takes for the target season, and the
SSIM of luma to the picture that went in: for real target pictures, the pictures unchanged, a
transfer of channel means and deviations, and the networks. Not a test.
"""

import argparse
import hashlib
import sys
from pathlib import Path

import cv2
import joblib
import numpy as np
from skimage import feature
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from helpers import images, metrics, quiet  # noqa: E402
from helpers.files import replacing  # noqa: E402

with quiet():
    import keras
    import tensorflow as tf
    from keras import layers

    from helpers import training
    from helpers.app import unpaired

FROZEN = ROOT / "data/prepared/seasons"
SIZE, EPOCHS, BATCH = 128, 40, 32


def network() -> keras.Model:
    x = picture = keras.Input((SIZE, SIZE, 3))
    for filters in (24, 48, 96, 128):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(picture, layers.Dense(1, "sigmoid")(x))


def jittered(x):
    """Brightness, contrast, saturation and hue drawn anew, so that a tint alone tells nothing;
    flipped, shifted.
    """
    x = tf.image.random_crop(tf.pad(x, [[8, 8], [8, 8], [0, 0]], "REFLECT"), x.shape)
    x = tf.image.random_flip_left_right(x)
    x = tf.image.random_saturation(tf.image.random_hue(x, 0.06), 0.6, 1.4)
    x = tf.image.random_contrast(tf.image.random_brightness(x, 0.15), 0.7, 1.3)
    return tf.clip_by_value(x, 0, 1)


def described(picture: np.ndarray) -> np.ndarray:
    """Numbers about a picture: histograms of colour and of texture by height, roughness by
    brightness, HOG.
    """
    rgb = images.to_uint8(picture)
    lab, hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB), cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)
    grey, size = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), len(rgb)
    smaller = [
        cv2.resize(grey, (size // k, size // k), interpolation=cv2.INTER_AREA) for k in (1, 2, 4)
    ]
    patterns = [feature.local_binary_pattern(x, 8, 1, "uniform") for x in smaller]
    patterns = [np.kron(x, np.ones((size // len(x),) * 2)) for x in patterns]
    rough = np.log1p(
        np.hypot(*(cv2.Sobel(np.float32(grey), cv2.CV_32F, *d) for d in ((1, 0), (0, 1))))
    )
    quarter = size // 4
    found = [np.sqrt(feature.hog(smaller[1], 8, (quarter // 2, quarter // 2), (1, 1)))]
    for rows in (*(slice(k * quarter, (k + 1) * quarter) for k in range(4)), slice(None)):
        n = grey[rows].size
        found.append(
            cv2.calcHist(
                [lab[rows]], [0, 1, 2], None, [6, 6, 6], [0, 256, 96, 160, 80, 176]
            ).ravel()
            / n
        )
        found.append(cv2.calcHist([hsv[rows]], [1, 2], None, [6, 6], [0, 256, 0, 256]).ravel() / n)
        found += [np.histogram(x[rows], 10, (0, 10))[0] / n for x in patterns]
        for light in range(4):
            here = lab[rows][..., 0] // 64 == light
            found.append(
                [x[rows][here].mean() if here.any() else 0 for x in (rough, hsv[..., 1] / 255)]
            )
    return np.sqrt(np.abs(np.concatenate(found)))


class Classifier:
    """A probability of winter: the mean of a small CNN's, of two kinds of trees' and of an SVM's.

    Trained once.

    The CNN sees pixels, the others `described` pictures; together they are right more often than
    each.
    """

    def __init__(self, summer: np.ndarray, winter: np.ndarray, luma: bool):
        self.luma, name = luma, "luma" if luma else "colour"
        keras.utils.set_random_seed(0)
        self.cnn, path = network(), FROZEN / f"{name}.weights.h5"
        pictures, y = (
            np.concatenate([summer, winter]),
            np.repeat([0, 1], [len(summer), len(winter)]),
        )
        if not path.exists():
            x = self.seen(pictures, SIZE)
            data = tf.data.Dataset.from_tensor_slices((x, np.float32(y)[:, None])).shuffle(len(x))
            data = data.map(lambda x, y: (jittered(x), y)).batch(BATCH).prefetch(2)
            steps = EPOCHS * -(-len(x) // BATCH)
            rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
            loss = keras.losses.BinaryCrossentropy(label_smoothing=0.05)
            self.cnn.compile(keras.optimizers.AdamW(rate, weight_decay=1e-2), loss)
            print(f"training the CNN on {name}: {steps} steps", flush=True)
            self.cnn.fit(data, epochs=EPOCHS, verbose=0)
            with replacing(path) as part:
                self.cnn.save_weights(part)
        self.cnn.load_weights(path)
        path = FROZEN / f"{name}.joblib"
        if not path.exists():
            print(f"training trees and SVM on {name}", flush=True)
            tf.random.set_seed(0)
            x = self.seen(pictures)
            x = np.stack(
                [described(p) for p in x]
                + [described(jittered(p).numpy()) for _ in range(5) for p in x]
            )
            vote = [
                ExtraTreesClassifier(
                    500, min_samples_leaf=5, max_features=0.1, n_jobs=-1, random_state=0
                ),
                HistGradientBoostingClassifier(
                    max_iter=300,
                    learning_rate=0.05,
                    l2_regularization=1,
                    max_features=0.2,
                    random_state=0,
                ),
                make_pipeline(
                    StandardScaler(),
                    PCA(300, random_state=0),
                    CalibratedClassifierCV(SVC(C=3), ensemble=False),
                ),
            ]
            with replacing(path) as part:
                joblib.dump([model.fit(x, np.tile(y, 6)) for model in vote], part)
        self.vote = joblib.load(path)

    def seen(self, pictures: np.ndarray, size: int = 256) -> np.ndarray:
        """Float (n, size, size, 3); in grey for the one that knows luma only."""
        small = [images.resize(images.to_float(p), (size, size), "area") for p in pictures]
        return np.float32(
            [np.repeat(metrics.luma(p)[..., None], 3, -1) if self.luma else p for p in small]
        )

    def winter(self, pictures: np.ndarray) -> np.ndarray:
        """The probability of winter for each of (n, h, w, 3) uint8."""
        x = self.seen(pictures, SIZE)
        cnn = np.mean(
            [self.cnn.predict(view, verbose=0)[:, 0] for view in (x, x[:, :, ::-1])], axis=0
        )
        x = np.stack([described(p) for p in self.seen(pictures)])
        return np.mean([cnn, *(model.predict_proba(x)[:, 1] for model in self.vote)], axis=0)


def transferred(pictures: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Means and deviations of each channel brought from the whole set `source` to the whole set
    `target`.
    """
    (m, s), (to_m, to_s) = (
        ((x / 255).mean((0, 1, 2)), (x / 255).std((0, 1, 2))) for x in (source, target)
    )
    return images.to_uint8(np.clip((images.to_float(pictures) - m) / s * to_s + to_m, 0, 1))


def generated(name: str, pictures: np.ndarray) -> np.ndarray:
    model, _ = training.load_weights(name)
    floats = (images.to_float(p)[None] for p in pictures)
    return np.stack(
        [images.to_uint8(keras.ops.convert_to_numpy(model(x, training=False))[0]) for x in floats]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--with", dest="names", nargs="*", default=[])
    args = parser.parse_args()
    paths = unpaired.sets(args.folder)
    sets = {name: unpaired.squares(part) for name, part in paths.items()}
    classifiers = {luma: Classifier(sets["trainA"], sets["trainB"], luma) for luma in (False, True)}
    digest = hashlib.sha256(
        b"".join(p.read_bytes() for p in sorted(FROZEN.glob("*.*")))
    ).hexdigest()[:12]

    def hit(pictures, luma: bool, winter: bool) -> float:
        return float(np.mean((classifiers[luma].winter(pictures) > 0.5) == winter))

    for luma in (False, True):
        right = np.mean(
            [hit(sets["testA"], luma, False)] * len(sets["testA"])
            + [hit(sets["testB"], luma, True)] * len(sets["testB"])
        )
        print(f"right on {'luma' if luma else 'colour'}: {right:.3f}", flush=True)

    print(
        f"classifiers {digest}; held out: {len(sets['testA'])} summer, {len(sets['testB'])} winter"
    )
    for here, there, winter in (("A", "B", True), ("B", "A", False)):
        direction = "summer_to_winter" if winter else "winter_to_summer"
        source, target = sets[f"test{here}"], sets[f"test{there}"]
        rows = {"real pictures of the target": target, "unchanged": source}
        rows["colour transfer"] = transferred(source, sets[f"train{here}"], sets[f"train{there}"])
        rows |= {name: generated(name, source) for name in args.names if name == direction}
        print(
            f"\n| {direction} | taken for the target | by luma alone | SSIM of luma to the input |"
        )
        print("| --- | --- | --- | --- |")
        for name, result in rows.items():
            pairs = zip(images.to_float(source), images.to_float(result), strict=False)
            same = (
                np.mean([metrics.ssim(x, y, y=True) for x, y in pairs])
                if result is not target
                else np.nan
            )
            print(
                f"| {name} | {hit(result, False, winter):.3f}"
                f" | {hit(result, True, winter):.3f} | {same:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
