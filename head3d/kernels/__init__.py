"""Compiled kernels behind a torch-free C ABI, each with a plain torch or numpy path of the same result.

Nothing compiles at import; the first call of an op loads or compiles the library (see ``build``). Legend: P points,
V vertices, F faces, R rays, S samples, L levels, C channels, D grid nodes along an axis, H W pixels.
"""
