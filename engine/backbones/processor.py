"""What an image processor of transformers does, by its ``preprocessor_config.json``, as a `Preprocessing`."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

from gapscope.backbones.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing, with_crop_pct
from gapscope.core.errors import InputError

# ConvNeXt's processor crops inputs below this edge and squashes larger ones.
CROPPED_BELOW = 384
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
# What the processors of a family do where the file leaves it out.
DEFAULTS: dict[str, dict[str, Any]] = {
    "CLIP": {"size": {"shortest_edge": 224}, "crop_size": 224, "do_center_crop": True, "resample": 3}
    | {"image_mean": CLIP_MEAN, "image_std": CLIP_STD},
    "Siglip": {"size": {"height": 224, "width": 224}, "resample": 3},
    "ConvNext": {"size": {"shortest_edge": 384}, "crop_pct": 224 / 256, "resample": 2}
    | {"image_mean": IMAGENET_MEAN, "image_std": IMAGENET_STD},
    "Bit": {"size": {"shortest_edge": 224}, "crop_size": 224, "do_center_crop": True, "resample": 3}
    | {"image_mean": CLIP_MEAN, "image_std": CLIP_STD},
    "DeiT": {"size": {"height": 256, "width": 256}, "crop_size": 224, "do_center_crop": True, "resample": 3}
    | {"image_mean": IMAGENET_MEAN, "image_std": IMAGENET_STD},
}
OTHERS = {"size": {"height": 224, "width": 224}, "resample": 2, "image_mean": (0.5,) * 3, "image_std": (0.5,) * 3}


def preprocessing_of(content: Mapping[str, Any], options: Mapping[str, Any], size: Any, place: str) -> Preprocessing:
    """The preprocessing of a processor's configuration; `options` override it.

    Parameters
    ----------
    content
        The file at `place`; empty where there is none, and the input is then squashed to `size`.
    """
    kind = str(content.get("image_processor_type") or content.get("feature_extractor_type") or "")
    family = next((name for name in DEFAULTS if kind.startswith(name)), "")
    said = OTHERS | ({} if content else {"size": _square(size)}) | DEFAULTS.get(family, {})
    said |= {name: value for name, value in content.items() if value is not None}
    _check(said, place)
    values = {"interpolation": _interpolation(said["resample"])} | _normalisation(said)
    own = {name: value for name, value in options.items() if name not in ("input_size", "crop_pct")}
    if "input_size" in options or "crop_pct" in options:
        edge = options.get("input_size") or _geometry(said, family)["size"]
        return with_crop_pct(tuple(edge), options.get("crop_pct", 1.0), **(values | own))
    return Preprocessing(**(_geometry(said, family) | values | own))


def _check(said: Mapping[str, Any], place: str) -> None:
    for name, wanted in (("do_resize", True), ("do_rescale", True), ("do_pad", False)):
        if said.get(name, wanted) is not wanted:
            raise InputError(
                f"{place} says {name}={said[name]}, which gapscope does not do; make the features with a function "
                "of your own (--backbone module:function)"
            )


def _square(size: Any) -> dict[str, int]:
    height, width = (size, size) if isinstance(size, int) else tuple(size)[-2:]
    return {"height": height, "width": width}


def _geometry(said: Mapping[str, Any], family: str) -> dict[str, Any]:
    """What the image is resized to and cropped from."""
    size = said["size"] if isinstance(said["size"], Mapping) else _square(said["size"])
    short = size.get("shortest_edge")
    if short is None and not {"height", "width"} <= set(size):
        raise InputError(f"an image processor of transformers resizes to {dict(size)}, which gapscope does not do")
    if family == "ConvNext" and short:
        whole = int(short / said["crop_pct"]) if short < CROPPED_BELOW else short
        mode = "center-down" if short < CROPPED_BELOW else "squash"
        return {"size": (short, short), "resize": (whole, whole), "crop_mode": mode}
    resize = (short, short) if short else (size["height"], size["width"])
    mode = "center-down" if short else "squash"
    if not said.get("do_center_crop"):
        return {"size": resize, "resize": resize, "crop_mode": mode}
    crop = said.get("crop_size", 224)
    crop = _square(crop) if not isinstance(crop, Mapping) else crop
    return {"size": (crop["height"], crop["width"]), "resize": resize, "crop_mode": mode}


def _interpolation(resample: int) -> str:
    return Image.Resampling(resample).name.lower()


def _normalisation(said: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """Mean and standard deviation of fractions of 1."""
    if said.get("do_normalize") is False:
        return {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    scale = 255 * said.get("rescale_factor", 1 / 255)
    mean, std = ([float(v) for v in said[name]] for name in ("image_mean", "image_std"))
    return {"mean": tuple(v / scale for v in mean), "std": tuple(v / scale for v in std)}
