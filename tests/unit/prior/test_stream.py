import torch

from head3d.prior.stream import SampleStream


def squared(seed: int) -> int:
    return seed * seed


def test_a_step_sees_what_its_number_says_however_fast_samples_are_made():
    runs = []
    for workers in (1, 2):
        generator = torch.Generator().manual_seed(0)
        with SampleStream(squared, seed=10, first=4, capacity=6, fresh=1, workers=workers) as stream:
            runs.append([stream.draw(3, generator) for _ in range(8)])
    assert runs[0] == runs[1]
    assert set(runs[0][0]) <= {one**2 for one in range(10, 14)}  # the first four
    assert set(runs[0][-1]) <= {one**2 for one in range(15, 21)}  # the oldest have left
