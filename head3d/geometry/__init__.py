"""Cameras, rotations, meshes, spherical harmonics. Conventions: :mod:`head3d.geometry.conventions`."""
