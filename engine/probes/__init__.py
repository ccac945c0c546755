"""Classifiers on embeddings, trained out of core, all ending in a `Classifier`."""

from gapscope.core.registry import Registry

PROBES = Registry(
    "model",
    {
        "softmax": "gapscope.probes.softmax:fit",
        "logistic": "gapscope.probes.logistic:fit",
        "ridge": "gapscope.probes.ridge:fit",
        "lda": "gapscope.probes.lda:fit",
        "nearest-mean": "gapscope.probes.nearest_mean:fit",
        "knn": "gapscope.probes.knn:fit",
        "forest": "gapscope.probes.forest:fit",
        "sample-forest": "gapscope.probes.forest:fit_on_sample",
        "boosting": "gapscope.probes.boosting:fit",
        "partial-fit": "gapscope.probes.partial_fit:fit",
        "sgd": "gapscope.probes.partial_fit:fit_sgd",
    },
)
