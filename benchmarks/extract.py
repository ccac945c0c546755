"""How much of the bare network's speed `extract` keeps, on the processor: ResNet-18 at 224 pixels, JPEG photographs in.

    python benchmarks/extract.py            512 made photographs of 500 × 375, about two minutes on two cores
    python benchmarks/extract.py --tiny     a small check that it runs

The bare network, as its library makes it, is measured on ready tensors with the same weights, memory format and batch
size, in turn with `extract` and in the same process, in two forms: one batch at a time on all cores, and one on each
core, as `extract` does it. `extract` folds batch norms into convolutions; the network so
folded is measured as well, and the pipeline's own cost is the difference of the times per image to that.
"""

import argparse
import io
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from gapscope.backbones import BackboneChoice
from gapscope.core.location import Location
from gapscope.core.threads import processors
from gapscope.data.sources.class_folders import class_folders
from gapscope.extraction.extraction import extract
from gapscope.extraction.job import Extraction

# Decode processes import this file: torch is imported where it is used, so that they start as fast as under `extract`.
if TYPE_CHECKING:
    from collections.abc import Callable

    from gapscope.backbones.backbone import Backbone


def photograph(rng: np.random.Generator, width: int = 500, height: int = 375) -> bytes:
    """A JPEG with the detail of a photograph: noise at several scales, quality 90, about 80 KB."""
    levels = sum(
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (height // s + 1, width // s + 1, 3), np.uint8)).resize(
                (width, height)
            ),
            np.float32,
        )
        for s in (4, 16, 64)
    )
    stream = io.BytesIO()
    Image.fromarray((levels / 3).astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def bare_rate(backbone: "Backbone", network: "Callable", images: int, lanes: int, batch: int) -> float:
    """Images per second of the `network` alone on ready channels-last tensors, in `lanes` threads of their own."""
    import torch

    height, width = backbone.preprocessing.size
    ready = torch.rand(batch, 3, height, width).to(memory_format=torch.channels_last)
    rounds = max(1, images // (batch * lanes))

    def work(count: int) -> None:
        torch.set_num_threads(max(1, processors() // lanes))
        with torch.inference_mode():
            for _ in range(count):
                network(ready)

    def together(count: int) -> float:
        begun = time.perf_counter()
        threads = [threading.Thread(target=work, args=(count,)) for _ in range(lanes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - begun

    together(1)
    return rounds * batch * lanes / together(rounds)


def extract_rate(
    choice: BackboneChoice, backbone: "Backbone", images: Path, workspace: Path, workers: int | None
) -> tuple[float, dict]:
    """Images per second of `extract` of a class-folder tree, starting its processes and writing its parts included."""
    folder = Location(str(workspace / f"store-{time.monotonic_ns()}"))
    open_source = partial(class_folders, images)
    job = Extraction("photographs", "all", folder, open_source, choice, decode_workers=workers)
    begun = time.perf_counter()
    outcome = extract(job, backbone)
    return outcome.images / (time.perf_counter() - begun), outcome.manifest.seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="a few images of a small network, to see that it runs")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--decode-workers", type=int, default=None)
    options = parser.parse_args(arguments)
    images, repeats = (16, 1) if options.tiny else (options.images, options.repeats)
    choice = BackboneChoice("mobilenetv3_small_050" if options.tiny else "torchvision:resnet18", "random", device="cpu")
    backbone = choice.load()
    batch, cores = backbone.batch_size, processors()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "images"
        for index in range(images):
            place = folder / f"class{index % 2}" / f"{index:05d}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(photograph(rng))
        whole, body = backbone.network.model, backbone.network.features
        usual, bare, short, kept = [], [], [], []
        for _ in range(repeats):
            usual.append(bare_rate(backbone, whole, images, 1, batch))
            bare.append(bare_rate(backbone, whole, images, cores, batch))
            short.append(bare_rate(backbone, body, images, cores, batch))
            rate, seconds = extract_rate(choice, backbone, folder, Path(name), options.decode_workers)
            kept.append(rate)
            bares = f"bare {usual[-1]:.1f} on all cores, {bare[-1]:.1f} on each, {short[-1]:.1f} folded"
            print(f"{bares}; extract {rate:.1f} images/s; {seconds}")
    one, each, folded, mine = (float(np.median(rates)) for rates in (usual, bare, short, kept))
    print(f"{choice.name}, {images} images, batch {batch}, {cores} cores, medians of {repeats}")
    print(f"extract: {mine:.1f} images/s; {mine / one:.0%} of the bare network with a batch on all cores ({one:.1f})")
    print(f"{mine / each:.0%} of the bare network with a batch on each core ({each:.1f})")
    print(f"{mine / folded:.0%} of the folded network ({folded:.1f}); own cost {1000 * (1 / mine - 1 / folded):.2f} ms")


if __name__ == "__main__":
    main()
