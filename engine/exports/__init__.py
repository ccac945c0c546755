"""What was found, in the forms that other tools open: a registry line each."""

from gapscope.core.registry import Registry

EXPORTERS = Registry(
    "form of export",
    {
        "embedding-atlas": "gapscope.exports.embedding_atlas:export",
        "fiftyone": "gapscope.exports.fiftyone:export",
        "hub": "gapscope.exports.hub:export",
        "label-studio": "gapscope.exports.label_studio:export",
        "mlflow": "gapscope.exports.mlflow:export",
        "onnx": "gapscope.exports.onnx:export",
        "tensorboard": "gapscope.exports.tensorboard:export",
        "torch": "gapscope.exports.torch:export",
    },
)
