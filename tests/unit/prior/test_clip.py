import torch
from hypothesis import given
from hypothesis import strategies as st

from head3d.geometry.mesh import face_normals
from head3d.prior.clip import cut_patch

SQUARE = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
HALVES = torch.tensor([[0, 1, 2], [0, 2, 3]])


class TestCutPatch:
    @given(st.floats(0.05, 0.95), st.floats(-2.0, 2.0), st.floats(-2.0, 2.0))
    def test_keeps_the_area_on_the_positive_side(self, at: float, x: float, y: float):
        level = SQUARE[:, 0] * x + SQUARE[:, 1] * y - at * (x + y) - 1e-3
        patch = cut_patch(HALVES, level)
        normal = face_normals(patch.carry(SQUARE), patch.faces)
        samples = torch.rand(20000, 2, generator=torch.Generator().manual_seed(0))
        inside = (samples[:, 0] * x + samples[:, 1] * y - at * (x + y) - 1e-3 > 0).float().mean()
        assert (normal[:, 2] >= -1e-6).all()  # turned as before
        assert abs(float(normal[:, 2].sum() / 2) - float(inside)) < 0.015

    def test_all_inside_changes_nothing(self):
        patch = cut_patch(HALVES, torch.ones(4))
        torch.testing.assert_close(patch.carry(SQUARE)[patch.faces], SQUARE[HALVES])

    def test_nothing_inside_is_empty(self):
        assert len(cut_patch(HALVES, -torch.ones(4)).faces) == 0

    def test_the_cut_lies_on_the_line(self):
        patch = cut_patch(HALVES, SQUARE[:, 0] - 0.3)
        new = patch.carry(SQUARE)[patch.ends[:, 0] != patch.ends[:, 1]]
        torch.testing.assert_close(new[:, 0], torch.full((len(new),), 0.3))
