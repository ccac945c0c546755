"""What a person may choose about the training of a probe; each probe looks at the fields that concern it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProbeOptions:
    """Settings of a fit; None means that the probe chooses, on held-out training rows where there is a choice.

    Attributes
    ----------
    epochs
        Passes of gradient descent over the training rows (softmax, sgd, partial-fit).
    shrinkage
        Share of the identity in the covariance, 0 to 1, with the meaning it has in scikit-learn's
        ``LinearDiscriminantAnalysis``; a number in text, or ``ledoit-wolf`` (lda).
    l2
        Strength of the penalty ``l2 / 2 * sum(w²)`` added to the mean loss (softmax, logistic).
    c
        The same penalty in scikit-learn's terms, ``l2 = 1 / (c n)`` for n training rows (logistic, softmax); as there,
        it acts on the features as they are stored, unless `view` names others.
    alpha
        Penalty of scikit-learn's ``RidgeClassifier`` (ridge).
    view
        Features as the penalty and the metric see them: raw, standardised, whitened, normalised (rows of length one);
        empty for what suits the probe.
    learning_rate
        How far a row moves its own class's score, relative to its error, in one step at full speed (softmax).
    batch_rows
        Rows of a step (softmax); a multiple of four.
    class_weight
        none, balanced, effective-number, balanced-sampling or logit-adjustment; see `gapscope.probes.imbalance`.
    grid
        Whether to train the whole grid of settings side by side from one read (softmax, logistic, ridge, lda).
    halving
        Whether to drop the poor half of a grid again and again (softmax).
    certify
        Whether to finish with full-batch steps until the distance to the optimum is known to be small (softmax).
    neighbours
        Number k of neighbours that vote (knn).
    trees
        Number of trees or of boosting rounds (forest, sample-forest, boosting).
    estimator
        Name of a scikit-learn classifier with ``partial_fit`` (partial-fit).
    loss
        ``loss`` of scikit-learn's ``SGDClassifier`` (sgd).
    device
        ``cpu`` computes with NumPy; ``cuda``, ``cuda:1``, … and ``torch:cpu`` compute with torch (softmax, logistic).
    memory_bytes
        How much memory may be used beside the libraries.
    seed
        Decides every random choice.
    """

    epochs: int = 2
    shrinkage: str | float | None = None
    l2: float | None = None
    c: float | None = None
    alpha: float | None = None
    view: str = ""
    learning_rate: float | None = None
    batch_rows: int | None = None
    class_weight: str = "none"
    grid: bool = False
    halving: bool = False
    certify: bool = False
    neighbours: int | None = None
    trees: int | None = None
    estimator: str = "SGDClassifier"
    loss: str = "log_loss"
    device: str = "cpu"
    memory_bytes: int = 2 * 2**30
    seed: int = 0

    @property
    def penalised(self) -> str:
        """The features that the penalty of logistic and softmax acts on."""
        return self.view or ("raw" if self.c is not None else "standardised")

    @property
    def penalty_on(self) -> str:
        """The same in words, which stand beside the penalty."""
        return "features as stored" if self.penalised == "raw" else f"{self.penalised} features"
