"""A small model of images and texts, trained in seconds on real photographs and captions of what was done to them.

The image tower sees coarse pixels and how much fine detail there is; the text tower counts pieces of words, so that it
has an answer to any text, nonsense too.
"""

import zlib

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import nn

from gapscope.words.bank import bank

SIDE, GRID, PIECES, DIM = 64, 8, 512, 32
WORDS = {"dark": "a photo taken in the dark", "blurred": "a blurred photo", "grass": "a photo of something on grass"}
PLAIN = {"dark": "a bright photo", "blurred": "a sharp photo", "grass": "a photo with a plain background"}
CLASSES = ("cat", "dog")
# What else is said of an image that was changed, or was not, in words of the bank.
MORE = {
    "dark": (
        "a dark photo",
        "a very dark photo",
        "a photo taken at night",
        "a dimly lit photo",
        "an underexposed photo",
    ),
    "blurred": ("a very blurred photo", "a photo taken out of focus", "a motion blurred photo"),
    "grass": ("a photo of something in a field", "a photo of something in a garden", "a photo with a green background"),
}
# Captions that say nothing of the image that they stand at: the text tower learns that they mean nothing.
IDLE = 0.4


def change(image, what, rng):
    """`image : (h, w, 3) uint8`, darker, blurred or on a green, rough ground."""
    if what == "dark":
        return (image * rng.uniform(0.2, 0.4)).astype(np.uint8)
    if what == "blurred":
        return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(rng.uniform(2, 3))))
    ground = np.array([40, 140, 30]) + rng.integers(-40, 40, (SIDE // 3, SIDE, 1))
    result = image.copy()
    result[-(SIDE // 3) :] = ground
    return result


def photographs(folder, count):
    """The first photographs of each class that can be decoded, ``(2 count, 64, 64, 3)``, and their classes."""
    images, labels = [], []
    for label, name in enumerate(("Cat", "Dog")):
        found = 0
        for path in sorted((folder / name).glob("*.jpg")):
            if found == count:
                break
            try:
                images.append(np.asarray(Image.open(path).convert("RGB").resize((SIDE, SIDE))))
            except OSError:
                continue
            labels.append(label)
            found += 1
    return np.stack(images), np.array(labels)


def planted(images, shares, rng):
    """The images with each change of `shares` done to its share of them, and which were changed, ``(n, 3) bool``."""
    flags = np.stack([rng.random(len(images)) < shares[name] for name in WORDS], axis=1)
    result = []
    for image, row in zip(images, flags, strict=True):
        for name, do in zip(("grass", "blurred", "dark"), row[[2, 1, 0]], strict=True):
            image = change(image, name, rng) if do else image
        result.append(image)
    return np.stack(result), flags


def seen(images):
    """What the image tower sees of images, ``(n, 3 * 64 + 64)``."""
    x = images.astype(np.float32) / 255
    cells = x.reshape(len(x), GRID, SIDE // GRID, GRID, SIDE // GRID, 3)
    coarse = cells.mean(axis=(2, 4))
    fine = np.abs(np.diff(x.mean(axis=3), axis=2, append=0)).reshape(len(x), GRID, SIDE // GRID, GRID, SIDE // GRID)
    detail = np.log(fine.mean(axis=(2, 4)) + 0.003) + 4
    return np.concatenate([coarse.reshape(len(x), -1) * 2 - 1, detail.reshape(len(x), -1) / 2], axis=1)


def counted(texts):
    """How often each piece of three letters is in each text, hashed to `PIECES` places."""
    result = np.zeros((len(texts), PIECES), np.float32)
    for row, text in zip(result, texts, strict=True):
        for word in text.split():
            padded = f" {word} "
            for start in range(len(padded) - 2):
                row[zlib.crc32(padded[start : start + 3].encode()) % PIECES] += 1
    return result / np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-6)


TOLD = {*WORDS.values(), *PLAIN.values(), *(text for texts in MORE.values() for text in texts)}
OTHERS = [phrase.text for phrase in bank() if phrase.text not in TOLD]


def caption(label, flags, rng):
    """One of the things that are true of an image."""
    if rng.random() < IDLE:
        return OTHERS[int(rng.integers(len(OTHERS)))]
    said = [f"a photo of a {CLASSES[label]}"]
    said += [_said(name, flag, rng) for name, flag in zip(WORDS, flags, strict=True)]
    return said[int(rng.integers(len(said)))]


def _said(name, flag, rng):
    words = (WORDS[name], *MORE[name])
    return words[int(rng.integers(len(words)))] if flag else PLAIN[name]


class TwoTowers(nn.Module):
    """Images and texts as vectors of one space."""

    def __init__(self, entries):
        super().__init__()
        self.image = nn.Sequential(nn.Linear(entries, 96), nn.ReLU(), nn.Linear(96, DIM))
        self.text = nn.Linear(PIECES, DIM)

    def vectors(self, tower, x):
        """Of length 1."""
        return nn.functional.normalize(tower(torch.from_numpy(np.asarray(x, np.float32))), dim=1)

    def embed(self, images):
        """Vectors of images ``(n, 64, 64, 3) uint8``."""
        with torch.inference_mode():
            return self.image(torch.from_numpy(seen(images).astype(np.float32))).numpy()

    def encode(self, texts):
        """Vectors of texts."""
        with torch.inference_mode():
            return self.text(torch.from_numpy(counted(texts))).numpy()


def trained(images, labels, flags, steps=300, batch=128):
    """Two towers, by the loss of CLIP in which equal captions are no negatives."""
    rng = np.random.default_rng(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = TwoTowers(seen(images[:1]).shape[1])
    entries = seen(images).astype(np.float32)
    decayed = {"params": [model.text.weight], "weight_decay": 0.3}  # pieces that no caption has mean nothing
    rest = {"params": [model.text.bias, *model.image.parameters()], "weight_decay": 1e-3}
    optimizer = torch.optim.AdamW([decayed, rest], 3e-3)
    for _ in range(steps):
        rows = rng.integers(0, len(images), batch)
        texts = [caption(labels[row], flags[row], rng) for row in rows]
        same = torch.tensor([[one == other for other in texts] for one in texts], dtype=torch.float32)
        one, other = model.vectors(model.image, entries[rows]), model.vectors(model.text, counted(texts))
        logits = 10 * one @ other.T
        wanted = same / same.sum(dim=1, keepdim=True)
        loss = sum(-(wanted * nn.functional.log_softmax(each, dim=1)).sum(dim=1).mean() for each in (logits, logits.T))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()
