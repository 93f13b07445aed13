"""The optimiser of fields is torch's, to the bit, and brings no compiler with it."""

import subprocess
import sys

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from head3d.train.adam import BETA1, BETA2, EPSILON, Adam, Falling


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(3)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((1000, 2), (16,), (3, 4))]


def loss_of(table: Tensor, bias: Tensor, unused: Tensor | None, *, step: int) -> Tensor:
    """Reaches some rows of a table in a step, as a hash grid's, and one parameter only from the third step on."""
    loss = (table[step * 7 % 1000 :: 11] ** 2).sum() + (bias * (step + 1)).sin().sum()
    return loss if unused is None or step < 2 else loss + unused.exp().mean()


def test_is_torchs_to_the_bit():
    ours, theirs, steps = parameters(), parameters(), 12
    rates = (1e-2, 2e-3)
    adam = Adam([{"params": ours[:1], "lr": rates[0]}, {"params": ours[1:], "lr": rates[1]}])
    groups = [{"params": theirs[:1], "lr": rates[0]}, {"params": theirs[1:], "lr": rates[1]}]
    reference = torch.optim.Adam(groups, betas=(BETA1, BETA2), eps=EPSILON, fused=True)
    falling = Falling(adam, steps=steps)
    schedule = LambdaLR(reference, lambda step: 0.05 + 0.95 * (1 - step / steps))
    for step in range(steps):
        for optimiser, three, rate in ((adam, ours, falling), (reference, theirs, schedule)):
            optimiser.zero_grad()
            loss_of(three[0], three[1], three[2], step=step).backward()
            optimiser.step()
            rate.step()
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one, other)
        assert all(torch.equal(adam.state[one][key], reference.state[other][key]) for key in adam.state[one])
        assert set(adam.state[one]) == set(reference.state[other])
    assert [group["lr"] for group in adam.param_groups] == [group["lr"] for group in reference.param_groups]


def test_what_has_no_gradient_stays():
    (one,) = parameters()[:1]
    before = one.detach().clone()
    Adam([{"params": [one], "lr": 1.0}]).step()
    assert torch.equal(one, before)


def test_a_kernel_and_a_step_import_no_compiler():
    check = (
        "import sys, torch; from head3d.kernels.grid_sample import grid_sample3; from head3d.train.adam import Adam; "
        "grid = torch.nn.Parameter(torch.rand(3, 3, 3, 2)); adam = Adam([{'params': [grid], 'lr': 0.1}]); "
        "grid_sample3(grid, torch.rand(5, 3)).sum().backward(); adam.step(); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
