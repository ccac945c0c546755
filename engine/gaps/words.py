"""The terms, remedies and reason codes of a gap in words that need no paper."""

from collections.abc import Mapping

CAUSES: Mapping[str, str] = {
    "label_noise": "labels that are wrong, by better labels or a review",
    "exchanged_labels": "labels that seem exchanged between classes (Y given X)",
    "class_mix": "classes in other proportions",
    "sampling_noise": "sampling error within classes",
    "common_drop": "a drop that all classes share",
    "class_drop": "drops of single classes beyond the shared one",
    "x_shift": "more of the hard inputs that both sets have (X shift)",
    "novel_x": "inputs unlike those of the reference (novel X)",
    "y_given_x": "other labels for inputs that look alike (Y given X)",
}
# The same where it is a gain.
GAINED: Mapping[str, str] = {
    "common_drop": "a gain that all classes share",
    "class_drop": "gains of single classes beyond the shared one",
}
# What the input terms are together where they cannot be separated, by what is known of the inputs.
UNSEPARATED: Mapping[str, str] = {
    "differ": "inputs unlike those of the reference (other labels cannot be excluded)",
    "unknown": "other inputs or other labels, which these sets cannot separate",
}
MIX_OR_LABELS = "classes in other proportions, or labels exchanged between classes"
# What helps against each cause, beside the remedies that were tried.
ADVICE: Mapping[str, str] = {
    "class_mix": "Weight the evaluation or the classifier by the target's class shares.",
    "sampling_noise": "Collect more images of each class before acting on single classes.",
    "exchanged_labels": "Look at the images of the confusion named here: their labels may follow other rules.",
    "label_noise": "Correct the labels of the target before changing the model.",
    "x_shift": "Train on more of the inputs that are hard in both sets.",
    "novel_x": "Train on images like the target's: collect some, or make some by the change that is found in them.",
    "y_given_x": "Look at the most confident errors: either the labels follow other rules, or the features miss "
    "what differs.",
    "common_drop": "Look for what changed in all images: resolution, compression, light, preprocessing.",
    "class_drop": "Look at the classes named here and at what they are predicted as.",
}
UNKNOWN_INPUTS = (
    "Collect more labelled images of the target, or look at its most confident errors: they show labels that "
    "follow other rules."
)
NO_CAUSE = "Collect more labelled images of both sets: with these no single cause can be told from chance."
ORACLE = "oracle"
REMEDIES: Mapping[str, str] = {
    "prior": "adapt to the target's class shares",
    "mean": "align the means of the features",
    "scale": "align means and scales of the features",
    "coral": "align means and covariances of the features",
    "quantiles": "align the distribution of each feature",
    ORACLE: "train a head on the target's own labels (the best of several)",
}
READINGS: Mapping[str, str] = {
    "domain_auc": "chance that a row of the target scores higher than one of the reference; 0.5 means alike",
    "domain_accuracy": "how often the features tell which of the two sets a row is from; 0.5 means alike",
    "gap_effective_share_reference": "share of the reference's rows that the shared inputs amount to",
    "gap_effective_share_target": "share of the target's rows that the shared inputs amount to",
    "class_drop_expected_worst": "drop that the worst class shows by sampling error alone, were all classes alike",
    "class_drop_worst": "drop of the class that fell most, as observed",
    "class_drop_detectable": "drop from which a single class stands out",
    "class_drop_spread": "standard deviation of the true drops between classes",
    "class_drop_homogeneity": "how unlike the drops of the classes are; compare with its p-value",
    "class_drop_homogeneity_p_value": "probability of drops so unlike if all classes dropped alike",
    "class_drop_flagged": "classes that differ from the common drop beyond chance",
    "confusion_pairs_flagged": "confusions that moved beyond chance",
}
# Reason codes whose names do not say what they mean.
REASONS: Mapping[str, str] = {
    "near_boundary": "near the boundary to another class",
    "confusable_pair": "of two classes that are often confused",
    "far_from_training": "less typical than 95 % of the reference",
    "very_far_from_training": "less typical than 99 % of the reference",
    "domain_direction": "more like the target than 95 % of the reference",
    "hard_slice": "in a slice that lost more than the others",
}


def reason(code: str) -> str:
    """A reason code in plain words."""
    return REASONS.get(code, code.replace("_", " "))


def cause(name: str, inputs: str = "separated") -> str:
    """A term of the breakdown in plain words; `inputs` is what is known of the inputs of both sets."""
    if name == "novel_x" and inputs in UNSEPARATED:
        return UNSEPARATED[inputs]
    return CAUSES.get(name, name.replace("_", " "))


def remedy(name: str) -> str:
    """A remedy in plain words."""
    return REMEDIES.get(name, name.replace("_", " "))
