"""Classifiers on embeddings, trained out of core, all ending in a `Classifier`."""

from engine.core.registry import Registry

PROBES = Registry(
    "model",
    {
        "softmax": "engine.probes.softmax:fit",
        "logistic": "engine.probes.logistic:fit",
        "ridge": "engine.probes.ridge:fit",
        "lda": "engine.probes.lda:fit",
        "nearest-mean": "engine.probes.nearest_mean:fit",
        "knn": "engine.probes.knn:fit",
        "forest": "engine.probes.forest:fit",
        "sample-forest": "engine.probes.forest:fit_on_sample",
        "boosting": "engine.probes.boosting:fit",
        "partial-fit": "engine.probes.partial_fit:fit",
        "sgd": "engine.probes.partial_fit:fit_sgd",
    },
)
