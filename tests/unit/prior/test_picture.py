from dataclasses import replace

import pytest
import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head, pixel_grid, pixel_rays
from head3d.geometry.sh import irradiance_basis
from head3d.perception.types import Region
from head3d.prior.light import draw_light
from head3d.prior.picture import pictures
from head3d.prior.synthetic import draw_cameras, make_person

SIZE = (96, 96)


@pytest.fixture(scope="module")
def camera() -> Cameras:
    c2w = look_at_head(yaw_deg=20.0, pitch_deg=5.0, distance_m=0.9)
    return Cameras(c2w[None], intrinsics(SIZE[0] * 0.9 / 0.44, SIZE)[None], SIZE)


@pytest.fixture(scope="module")
def light():
    return draw_light(torch.Generator().manual_seed(3))


def first_hit(origin, direction, corners):
    """Distances (R) along rays to the nearest of triangles (F, 3, 3), inf if missed (Moeller and Trumbore 1997)."""
    a, b, c = corners.double().unbind(1)
    nearest = []
    for o, d in zip(origin.double(), direction.double(), strict=True):
        p = torch.linalg.cross(d.expand_as(a), c - a)
        det = ((b - a) * p).sum(-1)
        s = o - a
        u = (s * p).sum(-1) / det
        q = torch.linalg.cross(s, b - a)
        v = (q * d).sum(-1) / det
        t = ((c - a) * q).sum(-1) / det
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
        nearest.append(torch.where(hit, t, torch.inf).min())
    return torch.stack(nearest)


class TestPhotograph:
    def test_matte_picture_is_albedo_times_irradiance(self, person, camera, light):
        seen = pictures(person, camera, [light], matte=True)
        solid = seen.alpha == 1
        gap = (seen.rgb_linear - seen.albedo * seen.irradiance)[solid].abs()
        # Pixels that average several surfaces average products.
        assert float(gap.amax(1).quantile(0.5)) < 1e-6 and float(gap.mean()) < 2e-3

    def test_without_occlusion_irradiance_is_that_of_the_harmonics_at_the_normal(self, person, camera, light):
        seen = pictures(person, camera, [light], occlusion=False)
        smooth = (seen.alpha == 1) & (seen.labels == int(Region.SKIN))
        expected = irradiance_basis(seen.normal[smooth]) @ light.sh
        gap = (seen.irradiance[smooth] - expected).abs().amax(1)
        assert float(gap.quantile(0.8)) < 1e-5  # borders to hair and cloth average several normals

    def test_depth_agrees_with_a_ray_cast_into_the_mesh(self, person, camera, light):
        fine = camera.resized((256, 256))
        seen = pictures(person, fine, [light])
        inside = torch.nonzero((seen.alpha[0] == 1).reshape(-1))[:, 0]
        chosen = inside[torch.randperm(len(inside), generator=torch.Generator().manual_seed(0))[:200]]
        origin, direction = pixel_rays(pixel_grid(256, 256)[chosen], fine.c2w[0], fine.K[0])
        distance = first_hit(origin, direction, person.scene.vertices[person.scene.faces])
        depth = distance * (direction.double() @ fine.c2w[0, :3, 2].double())
        gap = (seen.depth_m[0].reshape(-1)[chosen] - depth).abs()
        hair = seen.labels[0].reshape(-1)[chosen] == int(Region.HAIR)
        assert float(gap[~hair].median()) < 2e-5 and float(gap[~hair].quantile(0.95)) < 5e-4
        # Between locks the middle of a pixel may look deeper than its four samples.
        assert float(gap[hair].median()) < 1e-3

    def test_every_covered_pixel_has_a_region_and_the_rest_has_nothing(self, casting, camera, light):
        found = set()
        for seed in range(8):
            seen = pictures(make_person(casting, seed), camera, [light])
            covered = seen.alpha >= 0.5
            assert (seen.labels[covered] > 0).all()
            empty = seen.alpha == 0
            for image in (seen.rgb_linear, seen.albedo, seen.depth_m, seen.labels):
                assert (image[empty] == 0).all()
            assert (seen.depth_m[~empty] > 0.5).all()
            found |= set(seen.labels.unique().tolist())
        wanted = {region for region in Region if region not in (Region.GLASSES, Region.MOUTH)}
        assert {int(region) for region in wanted} <= found

    def test_the_same_twice_gives_the_same_bits(self, person, camera, light):
        one, two = (pictures(person, camera, [light]) for _ in range(2))
        assert torch.equal(one.rgb_linear, two.rgb_linear) and torch.equal(one.labels, two.labels)

    def test_pictures_do_not_depend_on_their_neighbours(self, person, light):
        cameras = draw_cameras(torch.Generator().manual_seed(0), count=3, size=SIZE)
        together = pictures(person, cameras, [light])
        alone = pictures(person, cameras[1], [light])
        assert torch.equal(together.rgb_linear[1], alone.rgb_linear[0])

    def test_irises_follow_the_gaze(self, casting, light):
        person = make_person(casting, 6)
        front = Cameras(
            look_at_head(yaw_deg=0.0, pitch_deg=0.0, distance_m=1.0)[None],
            intrinsics(400 / 0.24, (400, 400))[None],
            (400, 400),
        )
        # The dark part of the eyes lies on the axis each eyeball turns to.
        seen = pictures(person, front, [light])
        for side, group in enumerate(("eye_right", "eye_left")):
            index = casting.model.groups[group]
            centre = person.vertices[index].mean(0)
            arm = casting.model.mean[index] - casting.model.eye_centres[side]
            pole = index[arm[:, 2].argmax()]
            u, v = (person.vertices[pole] + 0 * centre)[:2] * torch.tensor([1.0, -1.0])
            depth = 1.0 - person.vertices[pole, 2]
            column, row = int(200 + u / depth * 400 / 0.24), int(200 + v / depth * 400 / 0.24)
            window = (0, slice(row - 3, row + 4), slice(column - 3, column + 4))
            if (seen.labels[window] == int(Region.EYES)).all():
                assert seen.albedo[window].mean() < 0.15


class TestDrawLight:
    def test_every_side_receives_some_light(self):
        around = torch.nn.functional.normalize(torch.randn(500, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
        for seed in range(30):
            light = draw_light(torch.Generator().manual_seed(seed))
            assert (irradiance_basis(around) @ light.sh).min() > 0
            torch.testing.assert_close(light.direction.norm(dim=1), torch.ones(len(light.direction)))

    def test_twice_the_light_is_twice_the_picture(self, person, camera, light):
        one = pictures(person, camera, [light]).rgb_linear
        two = pictures(person, camera, [replace(light, sh=2 * light.sh, color=2 * light.color)]).rgb_linear
        torch.testing.assert_close(two, 2 * one)
