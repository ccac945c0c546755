"""What a person may choose about the training of a probe; each probe looks at the fields that concern it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProbeOptions:
    """Settings of a fit; None means that the probe chooses, on held-out training rows where there is a choice.

    Attributes
    ----------
    epochs
        Passes of gradient descent over the training rows (softmax, sgd).
    shrinkage
        Share of the identity in the covariance, 0 to 1, with the meaning it has in scikit-learn's
        ``LinearDiscriminantAnalysis`` (lda).
    l2
        Strength of the penalty ``l2 / 2 * sum(w²)`` added to the mean loss, on standardised features (softmax).
    learning_rate
        How far a row moves its own class's score, relative to its error, in one step at full speed (softmax).
    batch_rows
        Rows of a step (softmax); a multiple of four.
    loss
        ``loss`` of scikit-learn's ``SGDClassifier`` (sgd).
    device
        ``cpu`` computes with NumPy; ``cuda``, ``cuda:1``, … and ``torch:cpu`` compute with torch (softmax).
    seed
        Decides the order of the rows after the first epoch.
    """

    epochs: int = 2
    shrinkage: float | None = None
    l2: float | None = None
    learning_rate: float | None = None
    batch_rows: int | None = None
    loss: str = "log_loss"
    device: str = "cpu"
    seed: int = 0
