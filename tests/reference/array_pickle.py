"""Arrays of a pickle by numpy's and Python's own means: what head3d reads from such a file without unpickling it."""

import pickle
from pathlib import Path

import numpy as np

_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # its home differs between numpy 1 and 2
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArraysOnly(pickle.Unpickler):
    """Rebuilds numpy arrays in dicts and nothing else."""

    def find_class(self, module: str, name: str) -> object:
        return _ALLOWED[module, name]


def read_array_pickle(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a nested-dict pickle by "a/b/c" path."""
    flat: dict[str, np.ndarray] = {}

    def visit(node: dict | np.ndarray, prefix: str) -> None:
        if isinstance(node, np.ndarray):
            flat[prefix.strip("/")] = node
        else:
            for key, value in node.items():
                visit(value, f"{prefix}/{key}")

    with path.open("rb") as file:
        visit(_ArraysOnly(file).load(), "")
    return flat
