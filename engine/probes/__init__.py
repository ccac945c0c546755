"""Linear classifiers on embeddings, trained out of core, all ending in the same weights and biases."""

from engine.core.registry import Registry

PROBES = Registry(
    "model",
    {
        "softmax": "engine.probes.softmax:fit",
        "lda": "engine.probes.lda:fit",
        "sgd": "engine.probes.sgd:fit",
    },
)
