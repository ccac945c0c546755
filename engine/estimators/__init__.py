"""The probes as estimators of scikit-learn's kind: for arrays, data frames, Dask arrays and embedding stores."""

from gapscope.estimators.classifiers import (
    DiscriminantClassifier,
    ForestClassifier,
    LogisticClassifier,
    NearestMeanClassifier,
    NeighboursClassifier,
    RidgeProbeClassifier,
    SoftmaxClassifier,
)

__all__ = [
    "DiscriminantClassifier",
    "ForestClassifier",
    "LogisticClassifier",
    "NearestMeanClassifier",
    "NeighboursClassifier",
    "RidgeProbeClassifier",
    "SoftmaxClassifier",
]
