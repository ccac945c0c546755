"""Networks in ONNX files, by onnxruntime: ``onnx:FILE``; of a classifier, what its last linear layer sees."""

from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from gapscope.backbones.network import Network, Unpooled
from gapscope.backbones.preprocessing import IMAGENET_MEAN, IMAGENET_STD, with_crop_pct
from gapscope.backbones.request import Library, Request
from gapscope.core.errors import InputError
from gapscope.core.extras import require

INPUT = {"crop_pct": 1.0, "interpolation": "bicubic", "mean": IMAGENET_MEAN, "std": IMAGENET_STD}
SIZE = 224
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class Graph(NamedTuple):
    """An ONNX graph that gives features beside its output.

    Attributes
    ----------
    content
        The file as onnxruntime takes it.
    features, output
        Names of the tensors: what the classifier sees, and what the network gives; the same where it has no linear end.
    weight : (k, d), bias : (k,)
        Of the classifier; None where there is none.
    """

    content: bytes
    features: str
    output: str
    weight: np.ndarray | None
    bias: np.ndarray | None


def load(request: Request) -> Network:
    """The network of the file that a `request` names, on a processor."""
    if request.weights or request.constructor:
        raise InputError(f"onnx:{request.name} holds its network and its weights; give arguments of its input only")
    path = Path(request.name)
    if not path.is_file():
        raise InputError(f"there is no ONNX file {path}; write it as onnx:FILE")
    require("a network in an ONNX file", "onnx", "onnxruntime")
    graph = _read(path)
    session = _session(graph, path)
    node, last, size = session.get_inputs()[0], *_input(session, path)
    size = request.options.get("input_size") or size
    values = INPUT | {name: value for name, value in request.options.items() if name != "input_size"}
    run = _Runner(session, node.name, TYPES[node.type], channels_last=last)
    unstated = [name for name in ("mean", "std") if name not in request.options]
    return Network(
        model=_Module(run, graph.output),
        features=lambda x: _vector(run(x, graph.features)),
        classifier=_linear(graph),
        preprocessing=with_crop_pct(tuple(size), values.pop("crop_pct"), **values),
        weights=f"pretrained, {path}",
        layer=graph.features,
        unpooled=Unpooled(lambda x: run(x, graph.features), graph.features),
        digest=_digest(path),
        notes=(_assumed(path, unstated),) if unstated else (),
    )


def _assumed(path: Path, unstated: list[str]) -> str:
    return (
        f"{path.name} does not say {' and '.join(unstated)} of its input, so ImageNet's are used; give them with "
        "--backbone-args mean=… std=…"
    )


def _read(path: Path) -> Graph:
    import onnx

    try:
        model = onnx.load(str(path))
    except Exception as error:
        raise InputError(f"{path} is no ONNX file that can be read: {str(error).splitlines()[0][:120]}") from error
    if not model.graph.output:
        raise InputError(f"{path} is no ONNX file that can be read: its graph has no output")
    output = model.graph.output[0].name
    node = _last_linear(model, output)
    if node is None:
        return Graph(model.SerializeToString(), output, output, None, None)
    weights = {one.name: onnx.numpy_helper.to_array(one, str(path.parent)) for one in model.graph.initializer}
    weight, bias = weights[node.input[1]], weights[node.input[2]] if len(node.input) > 2 else None
    transposed = any(one.name == "transB" and one.i for one in node.attribute)
    weight = weight if transposed else weight.T
    if node.input[0] not in {one.name for one in model.graph.output}:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(node.input[0]))
    bias = np.zeros(len(weight), np.float32) if bias is None else bias
    return Graph(model.SerializeToString(), node.input[0], output, weight, bias)


def _last_linear(model: Any, output: str) -> Any:
    """The node that makes the output as a product with stored weights; None where another one does."""
    stored = {one.name for one in model.graph.initializer}
    made = {name: node for node in model.graph.node for name in node.output}
    node = made.get(output)
    plain = node is not None and node.op_type == "Gemm" and set(node.input[1:]) <= stored
    scaled = plain and any(one.name in ("alpha", "beta") and one.f != 1 for one in node.attribute)
    return node if plain and not scaled else None


def _session(graph: Graph, path: Path) -> Any:
    import onnxruntime as runtime

    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1  # batches run side by side, one on each core
    options.log_severity_level = 4
    try:
        return runtime.InferenceSession(graph.content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(f"onnxruntime cannot run {path}: {str(error).splitlines()[0][:160]}") from error


def _input(session: Any, path: Path) -> tuple[bool, tuple[int, int]]:
    """Whether channels come last, and height and width; `SIZE` where the file leaves them open."""
    inputs = session.get_inputs()
    shape, kind = inputs[0].shape, inputs[0].type
    last = len(shape) == 4 and shape[3] == 3 and shape[1] != 3
    if (
        len(inputs) != 1
        or len(shape) != 4
        or kind not in TYPES
        or not (last or shape[1] in (1, 3) or isinstance(shape[1], str))
    ):
        raise InputError(
            f"{path} takes {len(inputs)} inputs, the first {kind} of shape {shape}; wanted one batch of colour images"
        )
    if isinstance(shape[0], int) and shape[0] != 1:
        raise InputError(f"{path} takes batches of {shape[0]} images only; export it with a free batch size")
    edges = shape[1:3] if last else shape[2:4]
    height, width = (edge if isinstance(edge, int) else SIZE for edge in edges)
    return last, (height, width)


class _Runner:
    """A session that gives one of its tensors for normalised pixels; threads may share it."""

    def __init__(self, session: Any, entry: str, dtype: type, *, channels_last: bool):
        self._session, self._entry, self._dtype, self._last = session, entry, dtype, channels_last
        self._one_by_one = session.get_inputs()[0].shape[0] == 1

    def __call__(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """The tensor `name` for pixels ``x : (n, 3, h, w)``."""
        pixels = np.ascontiguousarray((x.permute(0, 2, 3, 1) if self._last else x).numpy(), self._dtype)
        batches = np.split(pixels, len(pixels)) if self._one_by_one else [pixels]
        outputs = [self._session.run([name], {self._entry: batch})[0] for batch in batches]
        return torch.from_numpy(np.concatenate(outputs).astype(np.float32))


class _Module(nn.Module):
    """The whole network, called as other networks are."""

    def __init__(self, run: _Runner, output: str):
        super().__init__()
        self._run, self._output = run, output

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Its output for normalised pixels."""
        return self._run(x, self._output)


def _vector(features: torch.Tensor) -> torch.Tensor:
    return features.flatten(1) if features.ndim == 4 and features.shape[2:].numel() == 1 else features


def _linear(graph: Graph) -> nn.Linear | None:
    if graph.weight is None:
        return None
    layer = nn.Linear(graph.weight.shape[1], graph.weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.array(graph.weight, np.float32)))
        layer.bias.copy_(torch.from_numpy(np.array(graph.bias, np.float32)))
    return layer


def _digest(path: Path) -> str:
    """SHA-256 of the file, and of what lies beside it under its name, where large weights are."""
    digest = sha256(path.read_bytes())
    for beside in sorted(path.parent.glob(f"{path.name}*")):
        if beside != path:
            digest.update(beside.read_bytes())
    return digest.hexdigest()


LIBRARY = Library(load, lambda pattern: [], lambda name: {"pretrained": True, "input_size": None}, lambda name: False)
