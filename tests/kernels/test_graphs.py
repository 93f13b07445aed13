import pytest
import torch

from head3d.errors import ShapeError
from head3d.kernels.graphs import GraphedStep


def descent(device: str):
    """Least squares by hand, and the parameter it changes in place."""
    weight = torch.zeros(3, device=device)

    def step(x, y):
        error = x @ weight - y
        weight.sub_(0.1 * x.T @ error / len(x))
        return [error.square().mean()]

    return step, weight


def data(device: str, count: int = 20):
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    return x.to(device), (x @ torch.tensor([1.0, -2.0, 0.5])).to(device)


class TestGraphedStep:
    def test_on_the_cpu_it_is_the_step(self):
        (plain, one), (step, two) = descent("cpu"), descent("cpu")
        graphed = GraphedStep(step)
        for _ in range(6):
            expected, (loss,) = plain(*data("cpu"))[0], graphed(*data("cpu"))
            assert loss == expected
        assert (one == two).all() and not graphed.captured

    def test_other_inputs_name_themselves(self):
        graphed = GraphedStep(descent("cpu")[0])
        graphed(*data("cpu"))
        with pytest.raises(ShapeError, match=r"inputs\[0\].*\(20, 3\)"):
            graphed(*data("cpu", 19))
        with pytest.raises(ShapeError, match=r"inputs\[1\].*float64"):
            graphed(data("cpu")[0], data("cpu")[1].double())
        with pytest.raises(ShapeError, match="2 as in the first call"):
            graphed(data("cpu")[0])

    def test_every_call_is_one_step_whatever_runs_it(self, monkeypatch):
        """CUDA's part with stand-ins: warm-up, one capture that runs nothing, then replays into fixed places."""
        step, weight = descent("cpu")
        graphed = GraphedStep(step, warm_up=2)
        done: list[str] = []

        def replay(places: list[torch.Tensor]):
            done.append("replay")
            return step(*places)

        monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda self: True))
        monkeypatch.setattr(graphed, "_warm", lambda inputs: done.append("warm") or step(*inputs))

        class Captured:
            def __init__(self, inputs):
                done.append("capture")
                self.inputs, self.outputs, self.graph = [t.clone() for t in inputs], [], self

            def replay(self):
                self.outputs = replay(self.inputs)

        monkeypatch.setattr(graphed, "_capture", Captured)
        for _ in range(4):
            graphed(*data("cpu"))
        expected, plain_weight = descent("cpu")
        for _ in range(4):
            expected(*data("cpu"))
        assert done == ["warm", "warm", "capture", "replay", "replay"] and graphed.captured
        assert torch.equal(weight, plain_weight)

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    def test_replays_take_the_same_steps(self):
        (plain, one), (step, two) = descent("cuda"), descent("cuda")
        graphed = GraphedStep(step)
        for count in range(8):
            x, y = data("cuda")
            expected, (loss,) = plain(x + count, y)[0], graphed(x + count, y)
            assert torch.allclose(loss, expected)
        assert torch.allclose(one, two) and graphed.captured
