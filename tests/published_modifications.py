"""The corruptions of Hendrycks and Dietterich written down plainly with NumPy, SciPy and Pillow, to compare with.

Settings are those of the published `make_imagenet_c.py` and `make_cifar_c.py`; nothing is shared with the engine.
"""

import colorsys
from io import BytesIO

import numpy as np
from PIL import Image
from scipy import ndimage


def setting(image, severity, imagenet, cifar):
    return (cifar if image.shape[0] == 32 else imagenet)[severity - 1]


def cut(x):
    return np.uint8(np.clip(x, 0, 1) * 255)


def gaussian_noise(image, severity, rng):
    c = setting(image, severity, [0.08, 0.12, 0.18, 0.26, 0.38], [0.04, 0.06, 0.08, 0.09, 0.10])
    return cut(image / 255 + rng.normal(size=image.shape, scale=c))


def shot_noise(image, severity, rng):
    c = setting(image, severity, [60, 25, 12, 5, 3], [500, 250, 100, 75, 50])
    return cut(rng.poisson(image / 255 * c) / c)


def impulse_noise(image, severity, rng):
    c = setting(image, severity, [0.03, 0.06, 0.09, 0.17, 0.27], [0.01, 0.02, 0.03, 0.05, 0.07])
    out, flipped, salted = image.copy(), rng.random(image.shape) < c, rng.random(image.shape) < 0.5
    out[flipped & salted], out[flipped & ~salted] = 255, 0
    return out


def blur(image, severity, rng):
    c = setting(image, severity, [1, 2, 3, 4, 6], [0.4, 0.6, 0.7, 0.8, 1])
    return cut(ndimage.gaussian_filter(image / 255, (c, c, 0), mode="nearest", truncate=4))


def defocus_blur(image, severity, rng):
    imagenet = [(3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)]
    radius, alias = setting(image, severity, imagenet, [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)])
    side = np.arange(-8, 9) if radius <= 8 else np.arange(-radius, radius + 1)
    reach = 1 if radius <= 8 else 2
    x, y = np.meshgrid(side, side)
    disk = (x**2 + y**2 <= radius**2).astype(float)
    line = np.exp(-0.5 * (np.arange(-reach, reach + 1) / alias) ** 2)
    # OpenCV mirrors the kernel at its border and keeps its size; with room around it nothing is lost.
    kernel = ndimage.convolve(np.pad(disk / disk.sum(), 2), np.outer(line, line) / line.sum() ** 2, mode="constant")
    planes = [ndimage.correlate(image[..., c] / 255, kernel, mode="mirror") for c in range(3)]
    return cut(np.stack(planes, axis=2))


def motion(layer, radius, sigma, angle):
    """ImageMagick's MotionBlurImage on ``layer : (h, w, c)``."""
    weights = np.exp(-0.5 * (np.arange(2 * radius + 1) / sigma) ** 2)
    height, width = layer.shape[:2]
    out = np.zeros(layer.shape)
    for i, weight in enumerate(weights / weights.sum()):
        dx, dy = (int(np.ceil(i * f(np.deg2rad(angle)) - 0.5)) for f in (np.cos, np.sin))
        rows = np.clip(np.arange(height) + dy, 0, height - 1)
        columns = np.clip(np.arange(width) + dx, 0, width - 1)
        out += weight * layer[rows][:, columns]
    return out


def motion_blur(image, severity, rng):
    imagenet = [(10, 3), (15, 5), (15, 8), (15, 12), (20, 15)]
    c = setting(image, severity, imagenet, [(6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)])
    return np.uint8(np.rint(motion(image.astype(float), *c, rng.uniform(-45, 45))))


def clipped_zoom(image, factor):
    height = image.shape[0]
    kept = int(np.ceil(height / factor))
    top = (height - kept) // 2
    zoomed = ndimage.zoom(image[top : top + kept, top : top + kept], (factor, factor, 1), order=1)
    trim = (zoomed.shape[0] - height) // 2
    return zoomed[trim : trim + height, trim : trim + height]


def zoom_blur(image, severity, rng):
    ends = setting(
        image,
        severity,
        [(1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)],
        [(1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)],
    )
    x, factors = image / 255, np.arange(1, *ends)
    return cut((x + sum(clipped_zoom(x, factor) for factor in factors)) / (len(factors) + 1))


def plasma(side, decay, rng):
    clouds = np.zeros((side, side))
    step, wibble = side, 100.0

    def shaken(total):
        return total / 4 + wibble**2 * (2 * rng.random(total.shape, np.float32) - 1)

    while step >= 2:
        half = step // 2
        corners = clouds[::step, ::step]
        total = corners + np.roll(corners, -1, axis=0)
        clouds[half::step, half::step] = shaken(total + np.roll(total, -1, axis=1))
        middles = clouds[half::step, half::step]
        total = middles + np.roll(middles, 1, axis=0) + corners + np.roll(corners, -1, axis=1)
        clouds[::step, half::step] = shaken(total)
        total = middles + np.roll(middles, 1, axis=1) + corners + np.roll(corners, -1, axis=0)
        clouds[half::step, ::step] = shaken(total)
        step, wibble = half, wibble / decay
    clouds -= clouds.min()
    return clouds / clouds.max()


def fog(image, severity, rng):
    imagenet = [(1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)]
    c = setting(image, severity, imagenet, [(0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)])
    height, x = image.shape[0], image / 255
    clouds = plasma(32 if height == 32 else 256, c[1], rng)[:height, :height, None]
    return cut((x + c[0] * clouds) * x.max() / (x.max() + c[0]))


def snow(image, severity, rng):
    c = setting(
        image,
        severity,
        [
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ],
        [
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ],
    )
    x = image / 255
    layer = clipped_zoom(rng.normal(size=image.shape[:2], loc=c[0], scale=c[1])[..., None], c[2])
    layer[layer < c[3]] = 0
    layer = motion(cut(layer).astype(float), c[4], c[5], rng.uniform(-135, -45)) / 255
    grey = (x @ [0.299, 0.587, 0.114])[..., None]
    x = c[6] * x + (1 - c[6]) * np.maximum(x, grey * 1.5 + 0.5)
    return cut(x + layer + np.rot90(layer, k=2))


def in_hsv(image, change):
    """Each pixel through the standard library's HSV; few pixels differ, so each is done once."""
    colours, places = np.unique(image.reshape(-1, 3), axis=0, return_inverse=True)
    done = [colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*(colour / 255)))) for colour in colours]
    return cut(np.array(done) + 1e-9)[places.ravel()].reshape(image.shape)


def brightness(image, severity, rng):
    c = setting(image, severity, [0.1, 0.2, 0.3, 0.4, 0.5], [0.05, 0.1, 0.15, 0.2, 0.3])
    return in_hsv(image, lambda h, s, v: (h, s, min(v + c, 1)))


def saturation(image, severity, rng):
    imagenet = [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)]
    c = setting(image, severity, imagenet, [(0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)])
    return in_hsv(image, lambda h, s, v: (h, min(s * c[0] + c[1], 1), v))


def contrast(image, severity, rng):
    c = setting(image, severity, [0.4, 0.3, 0.2, 0.1, 0.05], [0.75, 0.5, 0.4, 0.3, 0.15])
    x = image / 255
    means = x.mean(axis=(0, 1), keepdims=True)
    return cut((x - means) * c + means)


def jpeg(image, severity, rng):
    file = BytesIO()
    quality = setting(image, severity, [25, 18, 15, 10, 7], [80, 65, 58, 50, 40])
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def pixelate(image, severity, rng):
    c = setting(image, severity, [0.6, 0.5, 0.4, 0.3, 0.25], [0.95, 0.9, 0.85, 0.75, 0.65])
    side = image.shape[0]
    small = Image.fromarray(image).resize((int(side * c), int(side * c)), Image.Resampling.BOX)
    return np.asarray(small.resize((side, side), Image.Resampling.BOX))


def elastic(image, severity, rng):
    large = [(2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)]
    small = [(0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)]
    side = image.shape[0]
    strength, sigma, reach = ((32 if side == 32 else 244) * c for c in setting(image, severity, large, small))
    middle, arm = side // 2, side // 3
    points = middle + arm * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = points + rng.uniform(-reach, reach, (3, 2))
    back = np.linalg.solve(np.column_stack([moved, np.ones(3)]), points.astype(float))
    y, x = np.mgrid[:side, :side].astype(float)
    u, v = (back[0, k] * x + back[1, k] * y + back[2, k] for k in (0, 1))
    sheared = np.stack([ndimage.map_coordinates(image[..., c] / 255, (v, u), order=1, mode="mirror") for c in range(3)])
    dx, dy = (
        ndimage.gaussian_filter(rng.uniform(-1, 1, (side, side)), sigma, mode="reflect", truncate=3) * strength
        for _ in range(2)
    )
    bent = [ndimage.map_coordinates(plane, (y + dy, x + dx), order=1, mode="reflect") for plane in sheared]
    return cut(np.stack(bent, axis=2))


REFERENCES = {
    "gaussian-noise": gaussian_noise,
    "shot-noise": shot_noise,
    "impulse-noise": impulse_noise,
    "blur": blur,
    "defocus-blur": defocus_blur,
    "motion-blur": motion_blur,
    "zoom-blur": zoom_blur,
    "fog": fog,
    "snow": snow,
    "brightness": brightness,
    "saturation": saturation,
    "contrast": contrast,
    "jpeg": jpeg,
    "pixelate": pixelate,
    "elastic": elastic,
}
