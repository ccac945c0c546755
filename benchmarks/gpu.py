"""What a GPU does, against its own ceilings and against the processors, in at most eight minutes.

    python -m benchmarks.gpu --device cuda --out benchmarks/results/gpu.json
    python -m benchmarks.gpu --device cpu --tiny          the same parts, tiny, as the test runs them

Parts, each begun only while there is time for it:

* ``ceilings``: matrix products in float32 and the copy of memory to the device.
* ``extract``: a ViT-L at 448 pixels and a ResNet-50 with random weights, beside the bare network on tensors that lie on
  the device in the same precision; 95 % is wanted.
* ``heads``: `softmax` and `logistic` by torch on the device and by NumPy on the processors: seconds, the share of the
  products' ceiling, and by how much their scores differ.
* ``presets``: the trainings of networks that presets describe, to their goals.
* ``sampling``: images of untrained generators.

`shift` and `map` have no device path: they compute with NumPy on the processors wherever they run, which is recorded.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks import process
from benchmarks.extract import extract_rate, photograph
from benchmarks.synthetic_store import Recipe
from gapscope.backbones import BackboneChoice
from gapscope.probes.options import ProbeOptions
from gapscope.probes.train import train
from gapscope.store import ArrayStore
from gapscope.stream import connect

MINUTES = 8.0
WANTED = 0.95
NETWORKS = (("vit_large_patch16_224", 448, 256), ("torchvision:resnet50", None, 2048))
TINY_NETWORKS = (("mobilenetv3_small_050", 64, 8),)
# Accuracies that the presets promise.
PRESETS = {"cifar10-small": 0.86, "fashion-mnist-better": 0.945}
NO_DEVICE_PATH = ("shift", "map")
Part = Callable[[], dict[str, Any]]


def wait(device: str) -> None:
    """Until the device has done what it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def seconds_of(work: Callable[[], object], device: str, repeats: int = 5) -> float:
    """The shortest of several, after one that warms up."""
    times = []
    for _ in range(repeats + 1):
        wait(device)
        start = perf_counter()
        work()
        wait(device)
        times.append(perf_counter() - start)
    return min(times[1:])


def ceilings(device: str, size: int) -> dict[str, Any]:
    """Flops of a product of two square matrices in float32, and bytes copied to the device, each a second."""
    a, host = torch.rand(size, size, device=device), torch.rand(size, size)
    return {
        "gemm_per_second": 2 * size**3 / seconds_of(lambda: a @ a, device),
        "copy_bytes_per_second": 4 * size**2 / seconds_of(lambda: host.to(device, copy=True), device),
    }


def extraction(
    device: str, name: str, size: int | None, images: int, folder: Path, decode_workers: int | None = None
) -> dict[str, Any]:
    """Images a second of `extract`, and of the network alone on a batch that lies on the device."""
    choice = BackboneChoice(name, "random", image_size=size, device=device)
    backbone = choice.load()
    source = folder / "images"
    rng = np.random.default_rng(0)
    for index in range(images):
        place = source / f"class{index % 2}" / f"{index:05d}.jpg"
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(photograph(rng))
    rate, seconds = extract_rate(choice, backbone, source, folder, decode_workers)
    alone = bare_rate(backbone, device)
    return {
        "name": name,
        "images_per_second": rate,
        "bare_per_second": alone,
        "share_of_bare": rate / alone,
        "wanted": WANTED,
        "precision": backbone.precision,
        "batch": backbone.batch_size,
        "stage_seconds": seconds,
    }


def bare_rate(backbone: Any, device: str) -> float:
    """Images a second of the bare network in the precision of the inference."""
    height, width = backbone.preprocessing.size
    batch = torch.rand(backbone.batch_size, 3, height, width, device=device).to(memory_format=torch.channels_last)
    kind = {"float16": torch.float16, "bfloat16": torch.bfloat16}.get(backbone.precision)

    def forward() -> None:
        with torch.inference_mode(), torch.autocast(device.split(":")[0], dtype=kind, enabled=kind is not None):
            backbone.network.model(batch)

    return len(batch) / seconds_of(forward, device, 3)


def heads(device: str, rows: int, recipe: Recipe, gemm: float) -> list[dict[str, Any]]:
    """`softmax` and `logistic` on the device and on the processors."""
    x, y = recipe.rows("train", 0, rows)
    x_new, _ = recipe.rows("test", 0, 500)
    store = ArrayStore(x, y, [str(index) for index in range(recipe.classes)])
    held = rows - rows // 10
    result = []
    for name in ("softmax", "logistic"):
        times, scores, passes = [], [], 1
        for where in (device if device != "cpu" else "torch:cpu", "cpu"):
            options = ProbeOptions(device=where, l2=1e-3)
            start = perf_counter()
            with connect() as workers:
                model = train(name, store.view(0, held), store.view(held), options, workers)
            times.append(perf_counter() - start)
            relative = model.scores(x_new)
            scores.append(relative - relative.mean(axis=1, keepdims=True))
            passes = model.details["passes"]
        least = 4.0 * rows * recipe.dim * recipe.classes * passes / gemm
        result.append(
            {
                "name": name,
                "rows": rows,
                "passes": passes,
                "seconds": times[0],
                "processors_seconds": times[1],
                "share_of_gemm": least / times[0],
                "largest_difference": float(np.abs(scores[0] - scores[1]).max() / np.abs(scores[1]).max()),
                "same_class": float((scores[0].argmax(axis=1) == scores[1].argmax(axis=1)).mean()),
            }
        )
    return result


def preset(name: str, goal: float, device: str, data: str, folder: Path) -> dict[str, Any]:
    """A training to its goal, as the command line does it; what is missing for it is said."""
    done = process.command(
        *("train-cnn", "--preset", name, "--device", device, "--data-root", data, "--json"),
        *("--workspace", str(folder / "workspace"), "--no-report"),
    )
    if done.code:
        return {"name": name, "not_run": done.output.strip().splitlines()[-1] if done.output.strip() else "no output"}
    results = json.loads(done.output[done.output.index("{") : done.output.rindex("}") + 1])["results"]
    accuracy = max(row["value"] for row in results if row["metric"] == "accuracy")
    return {"name": name, "seconds": done.seconds, "accuracy": accuracy, "goal": goal}


def sampling(name: str, size: int, count: int) -> dict[str, Any]:
    """Images a second of an untrained generator."""
    from benchmarks.sampling import untrained
    from gapscope.networks.frame import Frame

    generator = untrained(name, Frame(size, size, 1))
    start = perf_counter()
    generator.sample(0, range(count), 0)
    return {"name": name, "images": count, "images_per_second": count / (perf_counter() - start)}


def parts(options: argparse.Namespace, folder: Path) -> Mapping[str, Part]:
    """What is to be run, the shortest first."""
    tiny, device = options.tiny, options.device
    recipe = Recipe(dim=16, classes=4) if tiny else Recipe(dim=1024, classes=1000)
    ceiling = ceilings(device, 256 if tiny else 8192)
    result: dict[str, Part] = {"ceilings": lambda: ceiling}
    rows = 300 if tiny else 131_072
    result["heads"] = lambda: {"heads": heads(device, rows, recipe, ceiling["gemm_per_second"])}
    decoding = 0 if tiny else None
    for name, size, images in TINY_NETWORKS if tiny else NETWORKS:
        place = folder / name.replace(":", "-")
        result[f"extract {name}"] = partial(extraction, device, name, size, images, place, decoding)
    for name in ("gan",) if tiny else ("gan", "diffusion"):
        result[f"sampling {name}"] = partial(sampling, name, 16 if tiny else 64, 4 if tiny else 512)
    for name, goal in {} if tiny else PRESETS.items():
        result[f"preset {name}"] = partial(preset, name, goal, device, options.data_root, folder)
    return result


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All parts for which there is time; the others are named."""
    start, found, left = perf_counter(), {}, []
    for name, part in parts(options, folder).items():
        if perf_counter() - start > 60 * options.minutes:
            left.append(name)
            continue
        begun = perf_counter()
        found[name] = part() | {"part_seconds": perf_counter() - begun}
        print(f"{name}: {json.dumps(found[name])}", flush=True)
    device = torch.cuda.get_device_name() if options.device.startswith("cuda") else "none: " + process.machine()
    return {"device": device, "parts": found, "not_run": left, "on_processors_only": NO_DEVICE_PATH}


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--data-root", default="data", help="where presets find their images")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="no part is begun later than this")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        figures = measure(options, Path(scratch))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
