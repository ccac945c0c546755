"""What a training has reached goes into arrays and comes back, and an average follows its network by the formula."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from gapscope.networks.state import Followed, arrays_of, fill, fill_optimiser, optimiser_arrays


def network(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def trained(model, optimiser, steps):
    x = torch.arange(15.0).reshape(5, 3).sin()
    for _ in range(steps):
        optimiser.zero_grad()
        model(x).square().sum().backward()
        optimiser.step()


@pytest.mark.parametrize("kind", [torch.optim.Adam, lambda weights, lr: torch.optim.SGD(weights, lr, momentum=0.9)])
def test_a_training_that_is_put_back_goes_on_as_if_nothing_had_happened(kind):
    whole, first = network(0), network(0)
    trained(whole, kind(whole.parameters(), 0.1), 5)
    before = kind(first.parameters(), 0.1)
    trained(first, before, 3)
    arrays = arrays_of(first.state_dict(), "model") | optimiser_arrays(before, "optimiser")
    arrays = {name: np.atleast_1d(array) for name, array in arrays.items()}  # as they come back from a file
    second = network(1)
    after = kind(second.parameters(), 0.1)
    fill(second, arrays, "model")
    fill_optimiser(after, arrays, "optimiser")
    trained(second, after, 2)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_arrays_are_copies():
    model = network(0)
    arrays = arrays_of(model.state_dict(), "model")
    kept = arrays["model/0.weight"].copy()
    trained(model, torch.optim.SGD(model.parameters(), 0.1), 1)
    np.testing.assert_array_equal(arrays["model/0.weight"], kept)
    assert not np.array_equal(model[0].weight.detach().numpy(), kept)


def test_an_average_follows_by_the_formula_and_counters_are_copied():
    model = network(0)
    average = deepcopy(model)
    followed = Followed.of(average, model)
    expected = average[0].weight.detach().numpy().astype(np.float64)
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    for done in range(1, 30):
        trained(model, optimiser, 1)
        followed.step(0.7, done)
        decay = min(0.7, (1 + done) / (10 + done))
        expected = decay * expected + (1 - decay) * model[0].weight.detach().numpy()
    np.testing.assert_allclose(average[0].weight.detach().numpy(), expected, rtol=1e-5, atol=1e-7)
    assert average[1].num_batches_tracked == model[1].num_batches_tracked == 29


def test_an_average_follows_a_network_that_was_filled_after_they_met():
    average, model = nn.Linear(2, 2), nn.Linear(2, 2)
    followed = Followed.of(average, model)
    model.load_state_dict({"weight": torch.ones(2, 2), "bias": torch.ones(2)})
    followed.step(0.0, 1)
    assert torch.equal(average.weight, torch.ones(2, 2))
