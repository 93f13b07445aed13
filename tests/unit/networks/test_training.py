import json

import pytest
import torch
from torch import nn

from head3d.errors import CorruptPart, FormatError
from head3d.networks.files import load_network, write_network
from head3d.networks.training import Training


def line() -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(2, 1)


def train(folder, *, minutes=0.02, net=None):
    net = net or line()
    training = Training({"line": net}, folder, minutes=minutes, rate=0.05, seed=3, averaged=("line",))
    x = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    for _ in training.steps():
        training.update("line", (net(x)[:, 0] - x @ torch.tensor([2.0, -1.0])).square().mean())
    return training, net


class TestTraining:
    def test_learns_a_line_and_so_does_the_average(self, tmp_path):
        training, net = train(tmp_path)
        torch.testing.assert_close(net.weight.detach()[0], torch.tensor([2.0, -1.0]), rtol=0, atol=0.05)
        torch.testing.assert_close(training.averages("line")["weight"][0], net.weight.detach()[0], rtol=0, atol=0.05)

    def test_goes_on_where_it_was(self, tmp_path):
        first, net = train(tmp_path)
        again = Training({"line": line()}, tmp_path, minutes=0, rate=0.05, seed=9, averaged=("line",))
        assert (again.step, again.seed) == (first.step, 3)
        assert torch.equal(next(again.nets["line"].parameters()), net.weight)
        moments = next(iter(again.optimizers["line"].state.values()))
        assert torch.equal(moments["exp_avg"], first.optimizers["line"].state[net.weight]["exp_avg"])

    def test_a_step_without_a_finite_gradient_changes_nothing(self, tmp_path):
        net = line()
        training = Training({"line": net}, tmp_path, minutes=1, rate=0.05, seed=3, averaged=("line",))
        before = net.weight.detach().clone()
        training.update("line", net.weight.sum() * torch.inf)
        assert torch.equal(net.weight, before)

    def test_a_checkpoint_of_another_network_is_refused(self, tmp_path):
        train(tmp_path, minutes=0)
        with pytest.raises(CorruptPart, match="another network"):
            Training({"line": nn.Linear(3, 1)}, tmp_path, minutes=1, rate=0.1, seed=0, averaged=("line",))


class TestFiles:
    def test_weights_come_back_as_half_floats(self, tmp_path):
        net = line()
        path = write_network(tmp_path, "line", net.state_dict(), {"steps": 7})
        back = load_network(nn.Linear(2, 1), path)
        torch.testing.assert_close(back.weight, net.weight, rtol=1e-3, atol=1e-3)
        assert not back.weight.requires_grad
        assert json.loads((tmp_path / "line.json").read_text())["steps"] == 7

    def test_another_network_is_refused(self, tmp_path):
        path = write_network(tmp_path, "line", line().state_dict(), {})
        with pytest.raises(FormatError, match="another network"):
            load_network(nn.Linear(5, 1), path)
