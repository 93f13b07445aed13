"""Kernels as torch ops: they can be traced, differentiated and checked with ``torch.library.opcheck``.

As ``torch.library.custom_op`` makes them, but for one thing: that keeps torch's compiler (``torch._dynamo``) out of one
by asking the compiler, so the first call of a process that compiles nothing imports all of it, which takes longer than
many a command. Here the dispatcher gets the kernel as it is.
"""

from collections.abc import Callable
from typing import Any

import torch


class KernelOp:
    """A kernel that is an op of torch, ``head3d::NAME``; called like the function that runs it."""

    def __init__(self, name: str, kernel: Callable[..., Any]) -> None:
        self.name = f"head3d::{name}"
        self._backward: Callable[..., Any] | None = None
        self._setup: Callable[..., None] | None = None
        schema = torch.library.infer_schema(kernel, mutates_args=())
        torch.library.define(self.name, schema, tags=(torch.Tag.pt2_compliant_tag,))
        torch.library.impl(self.name, "default", kernel)
        torch.library.register_autograd(self.name, self._gradients, setup_context=self._save)
        self.overload: torch._ops.OpOverload = getattr(torch.ops.head3d, name).default
        """What ``torch.library.opcheck`` takes."""

    def __call__(self, *arguments: Any) -> Any:
        """Run the kernel of the tensors' device."""
        return self.overload(*arguments)

    def register_fake(self, shapes: Callable[..., Any]) -> Callable[..., Any]:
        """Say what comes out for which shapes (see :func:`torch.library.register_fake`)."""
        torch.library.register_fake(self.name, shapes)
        return shapes

    def register_autograd(self, backward: Callable[..., Any], *, setup_context: Callable[..., None]) -> None:
        """Say how it is differentiated (see :func:`torch.library.register_autograd`)."""
        self._backward, self._setup = backward, setup_context

    def _save(self, ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        if self._setup is not None:
            self._setup(ctx, inputs, output)

    def _gradients(self, ctx: Any, *cotangents: Any) -> Any:
        if self._backward is None:
            raise RuntimeError(f"{self.name} has no derivative; where it is itself one, there is no second.")
        return self._backward(ctx, *cotangents)


def kernel_op(name: str) -> Callable[[Callable[..., Any]], KernelOp]:
    """Decorate the function that runs a kernel; its annotations are the op's signature, and it changes no argument."""
    return lambda kernel: KernelOp(name, kernel)
