"""Photos of one person in, a relightable 3D head and any number of headshots out.

Dimension letters in shapes: N photos, R rays, S samples, P points, V vertices, F faces, L landmarks, I identity,
E expression, J joints, C channels, H W pixels. Conventions: :mod:`head3d.geometry.conventions`.
"""

__version__ = "0.1.0"
