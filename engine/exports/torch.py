"""A linear head as PyTorch has it: the parameters of an `nn.Linear`, and what they are for."""

from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.exports.sidecar import write_about
from gapscope.exports.subject import Subject, Written
from gapscope.probes.linear_form import folded

HEAD = "head.safetensors"


def export(subject: Subject, out: Location) -> Written:
    """Write `weight` and `bias` as safetensors, temperature and scale folded in; needs no PyTorch."""
    from safetensors.numpy import save

    model = subject.classifier
    one = folded(model)
    (out / HEAD).write_bytes(save({"weight": one.weight, "bias": one.bias}))
    write_about(model, out)
    classes, features = one.weight.shape
    rows = ", on rows of length one (`torch.nn.functional.normalize(x)`)" if one.normalised else ""
    weights = f'safetensors.torch.load_file("{out / HEAD}")'
    opens = f"`head = nn.Linear({features}, {classes}); head.load_state_dict({weights})`{rows}"
    return Written(
        f"a head of {counted(features, 'feature')} and {counted(classes, 'class', 'classes')} in {HEAD}", opens
    )
