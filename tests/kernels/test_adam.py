import pytest
import torch

from head3d.kernels.adam import AdamConfig, AdamState, adam_step_touched


class TestAdamStepTouched:
    def test_is_adam_where_every_entry_has_a_gradient(self, path):
        generator = torch.Generator().manual_seed(0)
        ours = torch.randn(50, 2, generator=generator)
        theirs = ours.clone().requires_grad_()
        config = AdamConfig(learning_rate=1e-2, epsilon=1e-10)
        state = AdamState.of(ours)
        optimizer = torch.optim.Adam([theirs], lr=1e-2, betas=(config.beta1, config.beta2), eps=1e-10)
        for step in range(1, 6):
            gradient = torch.randn(50, 2, generator=generator)
            adam_step_touched(ours, gradient, state=state, step=step, config=config)
            theirs.grad = gradient
            optimizer.step()
        assert torch.allclose(ours, theirs, atol=1e-6)

    def test_numbers_without_gradient_stay(self, path):
        table, gradient = torch.ones(4, 2), torch.zeros(4, 2)
        gradient[2, 1] = 3.0
        state = AdamState.of(table)
        adam_step_touched(table, gradient, state=state, step=1, config=AdamConfig(learning_rate=0.1))
        assert (table[[0, 1, 3]] == 1).all() and (state.second != 0).sum() == 1
        assert table[2].tolist() == pytest.approx([1.0, 0.9])
