"""A step captured once as a CUDA graph and replayed: no launch waits for Python.

What a captured step does must not depend on the host: no ``.item()``, no tensor copied from the CPU, no shape that
changes. The kernels of this package fulfil it where they return fixed shapes (all but ``march_shell``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from head3d.errors import ShapeError

Step = Callable[..., Sequence[Tensor]]
"""Takes tensors, returns tensors; may change parameters and optimiser state in place."""


@dataclass
class _Captured:
    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor]
    outputs: list[Tensor]


@dataclass
class GraphedStep:
    """Call it like the step itself. On the CPU that is what it does.

    On CUDA the first ``warm_up`` calls run plainly, on the stream of the capture, so that what is allocated or compiled
    on first use is there. The next call captures and replays; from then on the inputs are copied into fixed places, and
    the outputs are fixed places too: copy what must outlive the next call. Every call, plain or not, is one real step.
    """

    step: Step
    warm_up: int = 3
    """Plain calls before the capture; PyTorch asks for three."""
    _calls: int = field(default=0, init=False)
    _captured: _Captured | None = field(default=None, init=False)
    _layout: list[tuple[torch.Size, torch.dtype, torch.device]] | None = field(default=None, init=False)

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """Run one step.

        Raises:
            ShapeError: An input has another shape, dtype or device than in the first call.
        """
        self._check(inputs)
        if not any(tensor.is_cuda for tensor in inputs):
            return list(self.step(*inputs))
        if self._captured is None and self._calls < self.warm_up:
            self._calls += 1
            return self._warm(inputs)
        if self._captured is None:
            self._captured = self._capture(inputs)
        for place, tensor in zip(self._captured.inputs, inputs, strict=True):
            place.copy_(tensor)
        self._captured.graph.replay()
        return self._captured.outputs

    @property
    def captured(self) -> bool:
        """Whether calls replay a graph."""
        return self._captured is not None

    def _check(self, inputs: Sequence[Tensor]) -> None:
        layout = [(tensor.shape, tensor.dtype, tensor.device) for tensor in inputs]
        if self._layout is None:
            self._layout = layout
        if len(layout) != len(self._layout):
            raise ShapeError("inputs", expected=f"{len(self._layout)} as in the first call", actual=str(len(layout)))
        for index, (had, has) in enumerate(zip(self._layout, layout, strict=True)):
            if had != has:
                expected, actual = (f"{kind} {tuple(shape)} on {device}" for shape, kind, device in (had, has))
                raise ShapeError(f"inputs[{index}]", expected=f"{expected} as in the first call", actual=actual)

    def _warm(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            outputs = list(self.step(*inputs))
        torch.cuda.current_stream().wait_stream(side)
        return outputs

    def _capture(self, inputs: Sequence[Tensor]) -> _Captured:
        """Capture records the step and does not run it."""
        places = [tensor.detach().clone().requires_grad_(tensor.requires_grad) for tensor in inputs]
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = list(self.step(*places))
        return _Captured(graph, places, outputs)
