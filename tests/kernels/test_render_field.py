"""A picture in one launch: facts one can check by hand, sizes, the float64 reference, threads, bad input."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from head3d.errors import KernelBuildError, ShapeError
from head3d.kernels.build import build
from head3d.kernels.render_field import (
    FieldNet,
    FieldParts,
    FieldVolume,
    field_sdf,
    march_field,
    planar,
    render_field,
)
from tests.reference import field as reference
from tests.reference.painted_ball import CENTRE, FORWARD, RADIUS_M, SLANTED, WHITE, ball, directions, random


@pytest.fixture(autouse=True, scope="module")
def compiled() -> None:
    try:
        build("cpu")
    except KernelBuildError as error:
        pytest.skip(f"no compiler: {error}")


def picture(parts: FieldParts, rays: torch.Tensor, **options) -> torch.Tensor:
    """All channels of a picture, (H W 11)."""
    seen = render_field(
        parts, parts.shape, centre=CENTRE, forward=FORWARD, directions=rays, **{"sh": SLANTED, **options}
    )
    return torch.cat([seen.rgb, seen.albedo, seen.normal, seen.alpha[..., None], seen.depth_m[..., None]], dim=-1)


class TestRenderField:
    def test_a_ray_through_the_middle_sees_a_plain_ball(self):
        parts = ball(learned=0.0)
        low = parts.paint.origin
        gray = FieldVolume(torch.zeros(4, 2, 2, 2), low, 0.3)
        crisp = FieldVolume(torch.ones(2, 2, 2, 2), low, 0.3)
        gray = replace(parts, paint=gray, traits=crisp, sd_m=3e-4)
        towards = torch.nn.functional.normalize(-CENTRE, dim=0)[None, None]
        pixel = picture(gray, towards, sh=WHITE)[0, 0]
        torch.testing.assert_close(pixel[:6], torch.full((6,), 0.5), atol=1e-4, rtol=0)
        torch.testing.assert_close(pixel[6:9], -towards[0, 0], atol=0.05, rtol=0)  # 1 cm cells
        assert pixel[9] == pytest.approx(1.0, abs=1e-4)
        depth = (CENTRE.norm() - RADIUS_M) * (towards[0, 0] @ FORWARD)
        assert pixel[10] == pytest.approx(float(depth), abs=5e-4)

    def test_rays_that_miss_see_nothing(self):
        assert not picture(ball(), -directions(20, 20)).any()
        assert not picture(ball(), directions(20, 20, spread=0.02) + torch.tensor([1.0, 0, 0])).any()

    @settings(max_examples=15, deadline=None)
    @given(height=st.integers(1, 40), width=st.integers(1, 40), times=st.integers(1, 3))
    def test_bands_of_rows_make_the_whole(self, height: int, width: int, times: int):
        parts, rays = ball(), directions(height * times, width * times)
        whole = picture(parts, rays, oversample=times)
        assert whole.shape == (height, width, 11) and whole.isfinite().all()
        assert (whole[..., 9] >= 0).all() and (whole[..., 9] <= 1).all()
        cut = height // 2
        bands = [rays[: cut * times], rays[cut * times :]]
        assert torch.equal(torch.cat([picture(parts, band, oversample=times) for band in bands if len(band)]), whole)

    def test_an_empty_picture_is_empty(self):
        assert picture(ball(), torch.zeros(0, 5, 3)).shape == (0, 5, 11)

    @pytest.mark.parametrize("singly", [False, True])
    def test_matches_reference(self, singly: bool):
        parts, rays = ball(), directions(10, 10, spread=0.17)
        made = picture(parts, rays, singly=singly, samples=30, colors=3)
        agree = 0
        for row, column in np.ndindex(10, 10):
            direction = rays[row, column].double().numpy()
            wanted = reference.ray(
                doubled(parts), CENTRE.double().numpy(), direction, SLANTED.double().numpy(),
                samples=30, colors=3, step=1e-3,
            )  # fmt: skip
            shown = wanted["alpha"] > 1e-3
            depth = wanted["t"] * -direction[2] if wanted["alpha"] > 0.5 else 0.0
            colors = [np.maximum(wanted[name], 0) * shown for name in ("rgb", "albedo")]
            expected = np.concatenate([*colors, wanted["normal"] * shown, [wanted["alpha"], depth]])
            agree += np.allclose(made[row, column].numpy(), expected, atol=2e-3)
        # rounding decides now and then whether a ray leaps once more, or which of two equal sections counts
        assert agree >= 98

    def test_one_ray_at_a_time_is_the_same_picture(self):
        parts, rays = ball(), directions(60, 60)
        both = [picture(parts, rays, oversample=2, singly=singly) for singly in (False, True)]
        apart = (both[0] - both[1]).abs().amax(-1)
        assert (apart > 1e-3).float().mean() < 2e-3  # such rays took another turn at a rounding
        assert apart.mean() < 1e-4

    def test_an_expression_moves_the_surface(self):
        parts, rays = ball(), directions(48, 48)
        moved = torch.zeros(3, 17, 17, 17)
        moved[0, 1:-1, 1:-1, 1:-1] = 0.01  # what is at x + 1 cm in the picture is at x in the neutral head... mirrored
        deform = FieldVolume(moved, torch.full((3,), -0.4), 0.05)
        made = picture(parts, rays, deform=deform)
        shifted = render_field(
            parts, parts.shape, centre=CENTRE + torch.tensor([0.01, 0, 0]), forward=FORWARD, directions=rays, sh=SLANTED
        )
        assert (made[..., :3] - shifted.rgb).abs().mean() < 1e-3
        outside = FieldVolume(moved, torch.full((3,), 5.0), 0.05)
        assert torch.equal(picture(parts, rays, deform=outside), picture(parts, rays))

    def test_threads_and_repetition_change_no_bit(self):
        parts, rays = ball(), directions(70, 50)
        before = torch.get_num_threads()
        try:
            made = []
            for threads in (1, 2, 2, 3):
                torch.set_num_threads(threads)
                made.append(picture(parts, rays))
        finally:
            torch.set_num_threads(before)
        assert all(torch.equal(one, made[0]) for one in made[1:])

    def test_strided_rays_and_volumes_are_read_right(self):
        parts, rays = ball(), directions(30, 30)
        turned = parts.paint.values.transpose(1, 3).contiguous().transpose(1, 3)
        strided = replace(parts, paint=replace(parts.paint, values=turned))
        wide = torch.cat([rays, rays], dim=-1)[..., :3]
        assert torch.equal(picture(strided, wide), picture(parts, rays))

    def test_a_volume_that_changes_is_read_anew_and_else_copied_once(self):
        values = torch.rand(2, 3, 4, 5).permute(3, 0, 1, 2)
        first = planar(values)
        assert first.is_contiguous() and torch.equal(first, values) and planar(values) is first
        values[1] += 1
        assert torch.equal(planar(values), values) and not torch.equal(first, values)
        assert planar(first) is first

    def test_wrong_shapes_name_the_argument(self):
        parts, rays = ball(), directions(4, 4)
        with pytest.raises(ShapeError, match="directions"):
            picture(parts, rays[0])
        with pytest.raises(ShapeError, match="directions"):
            picture(parts, directions(5, 4), oversample=2)
        with pytest.raises(ShapeError, match="sh"):
            picture(parts, rays, sh=SLANTED[:4])
        with pytest.raises(ShapeError, match="colors"):
            picture(parts, rays, colors=9)
        with pytest.raises(ShapeError, match="paint"):
            picture(replace(parts, paint=parts.traits), rays)
        with pytest.raises(ShapeError, match="color weight_out"):
            picture(replace(parts, color=replace(parts.color, weight_out=torch.zeros(5, 20))), rays)


class TestFieldSdf:
    def test_without_learning_it_is_the_ball(self):
        points = random(300, 3, seed=4) * 0.2 - 0.1
        values = field_sdf(ball(learned=0.0), points)
        torch.testing.assert_close(values, points.norm(dim=1) - RADIUS_M, atol=1.5e-3, rtol=0)  # interpolated
        assert not field_sdf(ball(learned=0.0), points, base=False).any()

    @pytest.mark.parametrize("count", [1, 16, 100, 5000])
    def test_matches_reference(self, count: int):
        parts, points = ball(), random(count, 3, seed=5) * 0.7 - 0.35  # also outside the boxes
        made, residual = field_sdf(parts, points), field_sdf(parts, points, base=False)
        some = range(0, count, max(1, count // 100))
        wanted = np.array([reference.sdf(doubled(parts), points[i].double().numpy()) for i in some])
        np.testing.assert_allclose(made[list(some)].numpy(), wanted, atol=2e-7)
        wanted = np.array([reference.residual_sdf(doubled(parts), points[i].double().numpy()) for i in some])
        np.testing.assert_allclose(residual[list(some)].numpy(), wanted, atol=1e-7)

    def test_no_points_and_strided_points(self):
        parts, points = ball(), random(6, 40, seed=6)[::2].T
        assert field_sdf(parts, torch.zeros(0, 3)).shape == (0,)
        assert torch.equal(field_sdf(parts, points), field_sdf(parts, points.contiguous()))

    def test_wrong_shape_names_points(self):
        with pytest.raises(ShapeError, match="points_m"):
            field_sdf(ball(), torch.zeros(4, 2))


class TestMarchField:
    def test_matches_reference(self):
        parts, rays = ball(), directions(8, 8).reshape(-1, 3)
        t, valid = march_field(parts.shape, CENTRE.expand(64, 3), rays, sd_m=parts.sd_m, samples=12)
        same = 0
        for r in range(64):
            field = doubled(parts)
            wanted = reference.places(field, CENTRE.double().numpy(), rays[r].double().numpy(), 12)
            found = t[r][valid[r]].numpy()
            same += len(found) == len(wanted) and np.allclose(found, wanted, atol=1e-5)
        assert same >= 63 and valid.any() and not t[~valid].any()

    def test_jitter_moves_the_samples_of_a_ray(self):
        parts, rays = ball(), directions(1, 3, spread=0.05)[0]
        origins = CENTRE.expand(3, 3)
        plain, _ = march_field(parts.shape, origins, rays, sd_m=parts.sd_m, samples=5)
        moved, _ = march_field(
            parts.shape, origins, rays, sd_m=parts.sd_m, samples=5, jitter=torch.tensor([0.0, 0.5, 1.0])
        )
        step = 0.8 * parts.sd_m
        torch.testing.assert_close(moved[:, 0] - plain[:, 0], torch.tensor([0.0, 0.5, 1.0]) * step, atol=1e-6, rtol=0)

    def test_no_rays(self):
        t, valid = march_field(ball().shape, torch.zeros(0, 3), torch.zeros(0, 3), sd_m=1e-3, samples=4)
        assert t.shape == valid.shape == (0, 4)

    def test_wrong_shape_names_directions(self):
        with pytest.raises(ShapeError, match="directions"):
            march_field(ball().shape, torch.zeros(2, 3), torch.zeros(3, 3), sd_m=1e-3, samples=4)


def doubled(parts: FieldParts) -> dict:
    """The field for the reference."""

    def volume(one: FieldVolume):
        return one.values.double().numpy(), one.origin.double().numpy(), one.cell_m

    def network(one: FieldNet):
        grid = one.config
        keywords = {
            "levels": grid.levels, "base": grid.base_resolution, "growth": grid.per_level_scale,
            "log2_size": grid.log2_table_size, "smooth": grid.interpolation == "smoothstep",
        }  # fmt: skip
        weights = (one.table, one.weight_in, one.bias_in, one.weight_out)
        return keywords, *(weight.double().numpy() for weight in weights)

    return {
        "cache": volume(parts.shape), "shape": volume(parts.shape), "traits": volume(parts.traits),
        "paint": volume(parts.paint), "geometry": network(parts.geometry), "color": network(parts.color),
        "box": parts.box_m, "unit": parts.unit_m, "residual": parts.residual_color, "sd": parts.sd_m,
    }  # fmt: skip
