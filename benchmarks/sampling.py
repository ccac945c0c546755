"""What generated images cost: images a second, memory, and how many steps of DDIM are enough.

    python -m benchmarks.sampling --data-root DATA                         all three, much of an hour on a core
    python -m benchmarks.sampling --only speed memory                      no training and no data
    python -m benchmarks.sampling --data-root DATA --out benchmarks/results/sampling.json
    python -m benchmarks.sampling --tiny                                   digits and a few steps, to see that it runs

Speed: an image of `gan` must cost one pass through its network, one of `diffusion` as many as it takes steps, and twice
as many where guidance is not 1. So `Generator.sample` is set beside the bare network on a batch of the same size that
is ready, in turn, on one thread and on all; noise, classes, the steps of DDIM themselves and the way to bytes are what
it costs beyond. Weights are those of one step, which are as fast as any.

Memory: the peak of a process that makes 64 images, and of one that makes 1,024, shard by shard as `augment` does. Two
steps of DDIM, because memory does not depend on their number.

Quality: `diffusion` as `benchmarks.generators` has trained it, in the same --work folder, or trained now; the same
noise, the same judge, and 5 to 100 steps. Enough are the fewest steps whose images are, but for chance, as near to the
test images as those of any number and as often recognised: the intervals overlap.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.generators import RECIPES, Judge, Roles, judge_of, look, made, roles, trained_to
from gapscope.backbones import BackboneChoice
from gapscope.core.location import Location
from gapscope.core.memory import peak_bytes
from gapscope.core.progress import SILENT
from gapscope.core.threads import processors
from gapscope.generators import GENERATORS
from gapscope.generators.canvas import Canvas
from gapscope.generators.diffusion import network_of
from gapscope.generators.gan import LATENT, maker_of
from gapscope.generators.generator import Generator, load_generator
from gapscope.networks.frame import Frame
from gapscope.synthesis.request import Request
from gapscope.synthesis.samples import sampled
from gapscope.synthesis.trained import TrainedGenerator

WANTED = 0.9
PARTS = ("speed", "memory", "quality")
CLASSES, FEW, MANY = 10, 64, 1024
# Edges that need no larger canvas, so that the bare network's work is that of the images.
FRAMES = (Frame(28, 28, 1), Frame(64, 64, 3))
STEPS = (5, 10, 20, 25, 50, 100)


def untrained(name: str, frame: Frame, **settings: Any) -> Generator:
    """A generator after one step on random images."""
    recipe = replace(GENERATORS[name].recipe(steps=1, batch_size=2), **settings)
    images = np.random.default_rng(0).integers(0, 256, (2 * CLASSES, *frame), np.uint8)
    return GENERATORS[name].train(images, np.arange(len(images)) % CLASSES, CLASSES, recipe)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Torch computes with so many inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


def pass_through(network: nn.Module, *inputs: torch.Tensor) -> Callable[[], object]:
    """One evaluation of the network on a batch that is ready."""
    network.eval()

    def once() -> None:
        with torch.inference_mode():
            network(*inputs)

    return once


def bare(name: str, generator: Generator) -> tuple[Callable[[], object], int]:
    """A pass that a block of images cannot do without, and how many of them."""
    recipe, (frame, classes, _) = generator.recipe, generator.form
    if name == "gan":
        network = maker_of(recipe, Canvas(frame, *frame.size), classes)
        z, labels = torch.randn(recipe.block, LATENT), torch.zeros(recipe.block, dtype=torch.long)
        return pass_through(network, z, labels), 1
    rows = recipe.block * (1 if recipe.guidance == 1 else 2)
    x, labels = torch.randn(rows, frame.channels, *frame.size), torch.zeros(rows, dtype=torch.long)
    return pass_through(network_of(recipe, frame, classes), x, torch.full((rows,), 500), labels), recipe.ddim_steps


def seconds_of(work: Callable[[], object]) -> float:
    """How long it takes."""
    begun = perf_counter()
    work()
    return perf_counter() - begun


def speed(name: str, frame: Frame, count: int, repeats: int, **settings: Any) -> dict[str, Any]:
    """Images a second of sampling a block and of the bare network, medians of `repeats` in turn after a first one."""
    generator = untrained(name, frame, **settings)
    once, passes = bare(name, generator)
    block = generator.recipe.block
    with threads(count):
        pairs = [(seconds_of(lambda: generator.sample(0, range(block), 0)), seconds_of(lambda: _times(once, passes)))
                 for _ in range(repeats + 1)]  # fmt: skip
    ours, theirs = (block / median(one) for one in zip(*pairs[1:], strict=True))
    return {
        "name": name,
        "frame": list(frame),
        "block": block,
        "passes": passes,
        "guided": getattr(generator.recipe, "guidance", 1) != 1,
        "threads": count,
        "repeats": repeats,
        "images_per_second": ours,
        "bare_images_per_second": theirs,
        "share_of_bare": ours / theirs,
        "wanted": WANTED,
    }


def _times(once: Callable[[], object], count: int) -> None:
    for _ in range(count):
        once()


def sampling_alone(name: str, folder: str, count: int) -> dict[str, Any]:
    """Peak memory of this process, before and after it has made `count` images as `augment` makes them."""
    place = Location.of(folder)
    generator = load_generator(place)
    few_steps = {"ddim_steps": 2} if name == "diffusion" else {}
    trained = TrainedGenerator(generator.changed(**few_steps), place, str(count))
    before = peak_bytes()
    each = np.bincount(np.arange(count) % CLASSES, minlength=CLASSES)
    request = Request(method=name, recipe=generator.recipe, backbone=BackboneChoice("tiny"))
    images = sampled(request, trained, each, [str(label) for label in range(CLASSES)], SILENT)
    return {"name": name, "images": len(images.listing), "bytes_before": before, "peak_bytes": peak_bytes()}


def memory(name: str, frame: Frame, counts: Sequence[int]) -> dict[str, Any]:
    """`sampling_alone` for each number of images, each in a process of its own."""
    root = Path(__file__).parent.parent
    with tempfile.TemporaryDirectory() as folder:
        untrained(name, frame).save(Location.of(folder))
        command = [sys.executable, "-m", "benchmarks.sampling", "--alone", name, folder]
        run = [subprocess.run([*command, str(count)], cwd=root, check=True, capture_output=True, text=True)
               for count in counts]  # fmt: skip
    rows = [json.loads(one.stdout) for one in run]
    growth = rows[-1]["peak_bytes"] / rows[0]["peak_bytes"]
    return {"name": name, "frame": list(frame), "runs": rows, "growth": growth}


def curve(generator: Generator, judge: Judge, steps: Sequence[int], each: int) -> Iterator[dict[str, Any]]:
    """What the same noise becomes in each number of steps, and how fast."""
    for number in steps:
        begun = perf_counter()
        images, asked = made(generator.changed(ddim_steps=number), each)
        speed = len(images) / (perf_counter() - begun)
        yield {"ddim_steps": number, "images_per_second": speed} | look(judge, images, asked)


def enough(points: Sequence[dict[str, Any]]) -> int:
    """The fewest steps whose intervals overlap those of the nearest images and of the best recognised ones.

    >>> ends = {"kid_interval": [0.1, 0.2], "recognised_interval": [0.8, 0.9], "kid": 0.15, "recognised": 0.85}
    >>> worse = {"kid_interval": [0.3, 0.4], "recognised_interval": [0.8, 0.9], "kid": 0.35, "recognised": 0.85}
    >>> enough([worse | {"ddim_steps": 5}, ends | {"ddim_steps": 10}, ends | {"ddim_steps": 20}])
    10
    """
    nearest = min(points, key=lambda point: point["kid"])["kid_interval"][1]
    known = max(points, key=lambda point: point["recognised"])["recognised_interval"][0]
    return min(
        point["ddim_steps"]
        for point in points
        if point["kid_interval"][0] <= nearest and point["recognised_interval"][1] >= known
    )


def draw(points: Sequence[dict[str, Any]], real: dict[str, Any], place: Path) -> None:
    """KID and recognised share against images a second."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    x = [point["images_per_second"] for point in points]
    for axes, name, label in zip(figure.subplots(1, 2), ("kid", "recognised"), ("KID", "recognised"), strict=True):
        y = np.array([point[name] for point in points])
        ends = np.array([point[f"{name}_interval"] for point in points])
        axes.errorbar(x, y, abs(ends.T - y), fmt="o-", capsize=3, color="#0072B2")
        axes.axhline(real[name], color="grey", linestyle=":", label="real images")
        for across, up, point in zip(x, y, points, strict=True):
            axes.annotate(str(point["ddim_steps"]), (across, up), (4, 4), textcoords="offset points")
        axes.set(xscale="log", xlabel="images a second", ylabel=label)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle("Steps of DDIM: quality against speed")
    figure.savefig(place, dpi=130)


def judged(options: argparse.Namespace) -> tuple[Roles, Judge, Generator]:
    """Real images, the judge and the trained generator, as `benchmarks.generators` makes them."""
    work = Location.of(options.work)
    dataset = "digits" if options.tiny else "fashion-mnist"
    real = roles(dataset, options.data_root, options.images, options.judged, options.each * CLASSES)
    judge = judge_of(real, options.epochs, options.compared, work)
    generator, _ = trained_to("diffusion", replace(RECIPES["diffusion"], steps=options.trained), real, work)
    return real, judge, generator


def quality(options: argparse.Namespace, tell: Callable[[dict[str, Any]], None]) -> None:
    """The whole curve, told point by point, and which number of steps is enough."""
    real, judge, generator = judged(options)
    found = {
        "judge_accuracy": judge.accuracy,
        "trained_steps": options.trained,
        "images": options.images,
        "each": options.each,
        "guidance": generator.recipe.guidance,
        "threads": torch.get_num_threads(),
        "real": look(judge, real.left.pixels, real.left.source.listing.labels),
        "points": [],
    }
    for point in curve(generator, judge, options.steps, options.each):
        found["points"].append(point)
        print(
            f"{point['ddim_steps']} steps: {point['images_per_second']:.2f} images/s, KID {point['kid']:.4f}, "
            f"{point['recognised']:.1%} recognised",
            flush=True,
        )
        tell(found)
    tell(found | {"enough": enough(found["points"])})
    if options.out:
        draw(found["points"], found["real"], options.out.with_suffix(".png"))


def asked_for(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--repeats", type=int, default=5, help="of each way, for its median")
    parser.add_argument("--ddim-steps", type=int, default=10, help="where speed is measured; time is proportional")
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS, help="of DDIM, whose quality is measured")
    parser.add_argument("--each", type=int, default=50, help="images of each class, for quality")
    parser.add_argument("--trained", type=int, default=1500, help="steps of diffusion's training")
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--images", type=int, default=6000, help="that it learns from")
    parser.add_argument("--judged", type=int, default=20_000, help="that the judge learns from")
    parser.add_argument("--compared", type=int, default=1000, help="test images that distances are taken from")
    parser.add_argument("--epochs", type=int, default=5, help="of the judge")
    parser.add_argument("--work", default="workspace/benchmarks/generators", help="folder of what is trained")
    parser.add_argument("--out", type=Path, help="JSON file for the figures, with a picture of the curve beside it")
    parser.add_argument("--tiny", action="store_true", help="digits and a few steps, to see that it runs")
    parser.add_argument("--alone", nargs=3, metavar=("NAME", "FOLDER", "COUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.tiny:
        options.images, options.judged, options.compared, options.epochs, options.each = 200, 400, 100, 1, 4
        options.steps, options.ddim_steps, options.trained, options.repeats = (1, 2), 2, 2, 1
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for; write what is there after each figure."""
    options = asked_for(arguments)
    if options.alone:
        name, folder, count = options.alone
        print(json.dumps(sampling_alone(name, folder, int(count))))
        return
    figures: dict[str, Any] = {"processors": processors(), "speed": [], "memory": []}

    def tell(**values: Any) -> None:
        figures.update(values)
        if options.out:
            Location.of(options.out).write_text(json.dumps(figures, indent=1))

    frames, counts = ((Frame(8, 8, 1),), (2, 40)) if options.tiny else (FRAMES, (FEW, MANY))
    courses = [(name, frame) for name in RECIPES for frame in frames]
    for name, frame in courses if "speed" in options.only else ():
        settings = {"width": 8} if options.tiny else {}
        settings |= {"ddim_steps": options.ddim_steps} if name == "diffusion" else {}
        for count in [1] if options.tiny else sorted({1, processors()}):
            row = speed(name, frame, count, options.repeats, **settings)
            tell(speed=[*figures["speed"], row])
            print(
                f"{name}, {frame.height} × {frame.width}, {count} threads: {row['images_per_second']:.3g} images/s, "
                f"{row['share_of_bare']:.0%} of the bare network (wanted {WANTED:.0%})",
                flush=True,
            )
    for name, frame in courses[:: len(frames)] if "memory" in options.only else ():
        row = memory(name, frame, counts)
        tell(memory=[*figures["memory"], row])
        peaks = " and ".join(f"{one['peak_bytes'] / 2**20:,.0f} MiB for {one['images']:,}" for one in row["runs"])
        print(f"{name}, peak memory: {peaks} images", flush=True)
    if "quality" in options.only:
        quality(options, lambda found: tell(quality=found))


if __name__ == "__main__":
    main()
