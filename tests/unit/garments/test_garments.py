import numpy as np
import pytest
import torch

from head3d.errors import ConfigError
from head3d.garments.bare import LINES_M, own_neckline
from head3d.garments.blazer import OFF_M, roll_line, tucked
from head3d.garments.catalogue import choose_outfit, cut
from head3d.garments.draw import Lit, composed
from head3d.garments.light import as_one, mean_about, seen_from
from head3d.garments.names import COLORS, PARTS
from head3d.garments.sheets import Fabric, coons, sheet
from head3d.garments.shirt import UNDER, leaf
from head3d.garments.torso import Torso, body_vertices, carried, hung, make_torso, neckline
from head3d.morphable.head_model import load_head_model
from head3d.render.types import RenderOutput


@pytest.fixture(scope="module")
def model():
    return load_head_model()


@pytest.fixture(scope="module")
def torso(model) -> Torso:
    return make_torso(model)


class TestTorso:
    def test_ways_begin_on_the_neckline_and_are_as_long_as_they_say(self, torso):
        azimuth = np.radians([-170.0, -90.0, 0.0, 45.0])
        assert np.allclose(torso.at(azimuth, np.zeros(4))[:, 1], neckline(azimuth), atol=1e-3)
        steps = np.linalg.norm(np.diff(torso.points[:, 60:200], axis=1), axis=-1)
        assert np.quantile(np.abs(steps / 0.002 - 1), 0.95) < 0.1

    def test_covers_the_body_below_the_neckline(self, model, torso):
        body = hung(model.mean[body_vertices(model)].double().numpy())
        _, way, off = torso.locate(body)
        over = off[(way > 0.01) & (body[:, 1] > -0.23)]
        assert np.quantile(over, 0.9) < 0.006  # points of shoulders stand out; the field's are cut away there

    def test_locate_undoes_at(self, torso):
        azimuth, way = np.radians([10.0, 100.0, -150.0]), np.array([0.02, 0.08, 0.05])
        found = torso.locate(torso.at(azimuth, way, off_m=np.full(3, 0.006)))
        assert np.allclose(found, [azimuth, way, np.full(3, 0.006)], atol=[[0.03], [0.003], [0.001]])

    def test_a_body_that_moves_as_a_whole_carries_its_clothes(self, model, torso):
        shift = torch.tensor([0.0, -0.01, 0.02])
        places = torso.points[::90, ::40].reshape(-1, 3)
        moved = carried(places, model, model.mean + shift)
        assert np.allclose(moved - places, shift.numpy(), atol=1e-5)


class TestGarments:
    @pytest.mark.parametrize("name", sorted(PARTS))
    def test_lies_over_the_body_and_is_alike_on_both_sides(self, torso, name):
        outfit = choose_outfit(name)
        assert outfit is not None
        cloth = cut(outfit, torso)
        assert np.isfinite(cloth.vertices).all()
        assert set(cloth.dye % len(outfit.dyes)) <= set(range(len(outfit.dyes)))
        below = cloth.vertices[torso.locate(cloth.vertices)[1] > 0.03]
        assert np.quantile(torso.locate(below)[2], 0.02) > -0.006  # folds sink in a little, never through
        low, high = cloth.vertices[:, 0].min(), cloth.vertices[:, 0].max()
        assert low == pytest.approx(-high, abs=0.01)
        assert cloth.vertices[:, 1].min() < -0.45  # out of any frame

    def test_no_name_no_colour_too_many_colours(self):
        assert choose_outfit("own") is None
        for garment, colors, word in (
            ("toga", "", "toga"),
            ("blazer", "mauve", "mauve"),
            ("crew-neck", "navy,red", "1"),
        ):
            with pytest.raises(ConfigError, match=word):
                choose_outfit(garment, colors)

    def test_colours_go_to_parts_in_their_order(self):
        outfit = choose_outfit("suit", "black,#ff0000")
        assert outfit is not None
        assert outfit.dyes[1] == pytest.approx((1.0, 0.0, 0.0))
        assert outfit.dyes[2] == choose_outfit("crew-neck", "navy").dyes[0]  # type: ignore[union-attr]
        assert all(color.startswith("#") for color in COLORS.values())


class TestSheets:
    def test_outer_side_looks_away_from_the_body(self):
        x, y = np.meshgrid(np.linspace(-0.1, 0.1, 5), np.linspace(-0.3, -0.1, 6), indexing="ij")
        for order in (1, -1):
            points = np.stack([x, y, np.full_like(x, 0.1)], axis=-1)[::order]
            assert (sheet(points, uv=points[..., :2], fabric=Fabric.WOOL).normals()[:, 2] > 0.99).all()

    def test_patch_keeps_its_four_curves(self):
        t = np.linspace(0, 1, 9)
        top, bottom = np.stack([t, 0 * t], -1), np.stack([t, 1 + t * (1 - t)], -1)
        left, right = np.stack([0 * t, t], -1), np.stack([1 + t * (1 - t), t], -1)
        patch = coons(top, bottom, left, right)
        for found, curve in ((patch[0], top), (patch[-1], bottom), (patch[:, 0], left), (patch[:, -1], right)):
            assert np.allclose(found, curve)


class TestLight:
    def test_a_plate_hides_what_lies_behind_it(self):
        x, y = np.meshgrid(np.linspace(-0.1, 0.1, 21), np.linspace(-0.1, 0.1, 21), indexing="ij")
        plates = [np.stack([x, y, np.full_like(x, z)], -1).reshape(-1, 3) for z in (0.0, 0.05)]
        faces = sheet(np.stack([x, y, 0 * x], -1), uv=np.stack([x, y], -1), fabric=Fabric.WOOL).faces
        vertices = torch.from_numpy(np.concatenate(plates)).float()
        both = torch.from_numpy(np.concatenate([faces, faces + 441])).long()
        seen = seen_from(vertices, both, mean_about(both, len(vertices)), centre=torch.zeros(3))
        from head3d.garments.light import sides

        ahead = int(sides()[:, 2].argmax())
        assert seen[220, ahead] < 0.05
        assert seen[441 + 220, ahead] > 0.95


class TestComposed:
    def picture(self, depth: float, alpha: float = 1.0) -> RenderOutput:
        one = torch.ones(1, 1, 3)
        return RenderOutput(one * 0.2, one * 0.2, one, torch.full((1, 1), alpha), torch.full((1, 1), depth))

    def cloth(self, depth: float, share: float = 1.0) -> Lit:
        return Lit(torch.zeros(1, dtype=torch.long), torch.tensor([share]), torch.tensor([depth]), torch.ones(1, 9))

    def test_nearer_cloth_covers_and_farther_cloth_is_covered(self):
        none = torch.zeros(1, 1)
        assert composed(self.picture(1.5), self.cloth(1.4), hair=none, bare=none).rgb_linear.max() == 1.0
        assert composed(self.picture(1.5), self.cloth(1.6), hair=none, bare=none).rgb_linear.max() == pytest.approx(0.2)

    def test_half_a_pixel_of_cloth_behind_thin_hair(self):
        none = torch.zeros(1, 1)
        found = composed(self.picture(1.5, alpha=0.5), self.cloth(1.6, share=0.5), hair=none, bare=none)
        assert float(found.alpha) == pytest.approx(0.75)
        assert float(found.rgb_linear[0, 0, 0] * found.alpha) == pytest.approx(0.5 * 0.2 + 0.25)

    def test_hair_falls_over_cloth_and_skin_stays_under_it(self):
        one, none = torch.ones(1, 1), torch.zeros(1, 1)
        assert composed(self.picture(1.42), self.cloth(1.4), hair=one, bare=none).rgb_linear.max() == pytest.approx(0.2)
        assert composed(self.picture(1.398), self.cloth(1.4), hair=none, bare=one).rgb_linear.max() == 1.0


def test_own_neckline_lies_between_skin_and_cloth():
    azimuth = np.repeat(np.radians(np.arange(-180, 180, 10)), 12)
    way = np.tile(np.linspace(-0.04, 0.07, 12), 36)
    line = own_neckline(azimuth, way, np.where(way > 0.02, 2.0, -2.0))
    assert line(np.zeros(1)) == pytest.approx(0.02, abs=0.011)
    assert LINES_M[0] <= own_neckline(azimuth, way, np.zeros(len(way)))(np.zeros(1)) <= 0.003


class TestFinishOfCloth:
    def test_locate_finds_the_foot_of_the_perpendicular_not_the_nearest_node(self, torso):
        azimuth, way = np.radians([10.3, 99.4, -150.7]), np.array([0.0213, 0.0807, 0.0491])
        place = torso.at(azimuth, way, off_m=np.full(3, 0.004))
        found = torso.locate(place)
        assert np.allclose(torso.at(found[0], found[1], off_m=found[2]), place, atol=1e-4)
        assert np.allclose(found, [azimuth, way, np.full(3, 0.004)], atol=[[2e-3], [3e-4], [1e-4]])

    def test_a_collar_under_a_jacket_bends_and_does_not_break(self, torso):
        flat, pressed = leaf(torso, UNDER)[0], tucked(leaf(torso, UNDER)[0], torso)
        x, y, z = pressed.vertices.T
        hidden = (np.abs(x) > roll_line(y) + 0.002) & (y < -0.15) & (z > 0)
        assert torso.locate(pressed.vertices[hidden])[2].max() < OFF_M, "it lies under the lapel"
        assert np.linalg.norm(pressed.vertices - flat.vertices, axis=1).max() > 0.003, "it was pressed"
        grid = pressed.vertices.reshape(130, 30, 3)  # as leaf() makes it
        bends = np.linalg.norm(np.diff(grid, n=2, axis=0), axis=-1)
        assert bends.max() < 0.001, "neighbours move alike: 8 mm when places went to nodes of the form"

    def test_the_jackets_collar_does_not_reach_into_the_shirt(self, torso):
        outfit = choose_outfit("blazer")
        assert outfit is not None
        cloth = cut(outfit, torso)
        wool = np.unique(cloth.faces[cloth.fabric == Fabric.WOOL])
        azimuth, way, off = torso.locate(cloth.vertices[wool])
        beside = (np.abs(azimuth) > np.radians(60)) & (way < 0.02)
        assert off[beside].min() > 0.008

    def test_a_button_is_lit_as_one(self):
        visible = torch.tensor([[0.0, 1.0], [0.4, 0.0], [0.2, 0.3], [0.1, 0.1]])
        piece = torch.tensor([7, 7, 7, 3])
        found = as_one(visible, piece, torch.tensor([[0, 1, 2]]))
        assert found.tolist() == [pytest.approx([0.4, 1.0])] * 3 + [pytest.approx([0.1, 0.1])]


def test_rows_above_all_cloth_stay_as_they_are():
    size = 6
    normal = torch.tensor([0.0, 0.0, 1.0]).expand(size, size, 3)
    rgb = torch.rand(size, size, 3, generator=torch.Generator().manual_seed(0))
    head = RenderOutput(rgb, rgb, normal, torch.ones(size, size), torch.ones(size, size))
    values = torch.tensor([[0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.0, 0.0, 1.0]])
    cloth = Lit(torch.tensor([4 * size + 2]), torch.ones(1), torch.tensor([0.5]), values)
    nothing = torch.zeros(size, size)
    made = composed(head, cloth, hair=nothing, bare=nothing)
    assert torch.equal(made.rgb_linear[:4], rgb[:4]) and made.alpha.shape == (size, size)
    assert torch.allclose(made.rgb_linear[4, 2], values[0, :3]) and made.depth_m[4, 2] == 0.5
    assert torch.allclose(made.rgb_linear[5], rgb[5], atol=1e-6)
    none = Lit(cloth.pixel[:0], cloth.share[:0], cloth.depth[:0], cloth.values[:0])
    assert composed(head, none, hair=nothing, bare=nothing) is head
