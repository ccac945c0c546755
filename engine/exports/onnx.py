"""A linear head as an ONNX graph: features in; logits, probabilities and the best class out."""

import json

import onnx
from onnx import TensorProto, helper, numpy_helper

from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.exports.sidecar import write_about
from gapscope.exports.subject import Subject, Written
from gapscope.probes.linear_form import Folded, folded
from gapscope.probes.model import Classifier

HEAD = "head.onnx"
# Version of the operators: ONNX 1.8 of 2020, which every runtime of today has. The form is of the same time.
OPERATORS, FORM = 13, 7


def export(subject: Subject, out: Location) -> Written:
    """Write the graph with the names of the classes among its metadata."""
    model = subject.classifier
    one = folded(model)
    (out / HEAD).write_bytes(graph_of(one, model).SerializeToString())
    write_about(model, out)
    classes, features = one.weight.shape
    opens = f'`onnxruntime.InferenceSession("{out / HEAD}").run(None, {{"features": x}})`'
    return Written(
        f"a head of {counted(features, 'feature')} and {counted(classes, 'class', 'classes')} in {HEAD}", opens
    )


def graph_of(one: Folded, model: Classifier) -> onnx.ModelProto:
    """The model for any number of rows."""
    classes, features = one.weight.shape
    unit = [helper.make_node("LpNormalization", ["features"], ["rows"], axis=1, p=2)] if one.normalised else []
    nodes = [
        *unit,
        helper.make_node("Gemm", ["rows" if unit else "features", "weight", "bias"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["logits"], ["label"], axis=1, keepdims=0),
    ]
    outputs = [("logits", TensorProto.FLOAT, ["n", classes]), ("probabilities", TensorProto.FLOAT, ["n", classes])]
    graph = helper.make_graph(
        nodes,
        model.name,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", features])],
        [helper.make_tensor_value_info(*output) for output in (*outputs, ("label", TensorProto.INT64, ["n"]))],
        [numpy_helper.from_array(one.weight, "weight"), numpy_helper.from_array(one.bias, "bias")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPERATORS)], producer_name="gapscope")
    made.ir_version = FORM
    helper.set_model_props(made, {"class_names": json.dumps(list(model.class_names))})
    return made
