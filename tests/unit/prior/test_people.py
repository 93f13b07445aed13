import torch

from head3d.morphable.chromophores import typology_angle_deg
from head3d.perception.types import Region
from head3d.prior.hair import make_hair
from head3d.prior.hair_styles import STYLES
from head3d.prior.skin import TONE_DEG, draw_skin, paint_skin
from head3d.prior.synthetic import make_person


class TestMakePerson:
    def test_the_same_seed_makes_the_same_person(self, casting):
        one, two = make_person(casting, 5), make_person(casting, 5)
        for a, b in (
            (one.scene.vertices, two.scene.vertices),
            (one.scene.paint, two.scene.paint),
            (one.skin.albedo, two.skin.albedo),
            (one.identity, two.identity),
        ):
            assert torch.equal(a, b)

    def test_another_seed_makes_another(self, casting):
        one, two = make_person(casting, 5), make_person(casting, 6)
        assert (one.vertices - two.vertices).norm(dim=1).max() > 0.001
        assert not torch.equal(one.skin.albedo, two.skin.albedo)

    def test_vertices_are_those_of_the_model_but_for_the_eyes(self, casting, person):
        expected = casting.model.vertices(person.identity, person.expression, person.eyes)
        eyes = torch.cat([casting.model.groups["eye_right"], casting.model.groups["eye_left"]])
        gap = (person.vertices - expected).norm(dim=1)
        assert gap[eyes].max() < 0.001
        gap[eyes] = 0
        assert gap.max() == 0

    def test_numbers_are_finite_and_albedo_is_physical(self, casting):
        for seed in range(6):
            made = make_person(casting, seed)
            assert torch.isfinite(made.scene.vertices).all() and torch.isfinite(made.scene.normal).all()
            assert made.skin.albedo.min() > 0 and made.skin.albedo.max() < 1
            torch.testing.assert_close(made.scene.normal.norm(dim=1), torch.ones(len(made.scene.normal)))


class TestDrawSkin:
    def test_tones_cover_the_range_evenly(self):
        generator = torch.Generator().manual_seed(0)
        tones = torch.tensor([draw_skin(generator, bearded=False, bald=False).tone_deg for _ in range(500)])
        shares = torch.histc(tones, bins=6, min=TONE_DEG[0], max=TONE_DEG[1]) / 500
        assert shares.min() > 0.12 and shares.max() < 0.21

    def test_the_painted_skin_has_the_tone_that_was_drawn(self, casting):
        reached = []
        for seed in range(24):
            generator = torch.Generator().manual_seed(seed)
            traits = draw_skin(generator, bearded=False, bald=False)
            texture = paint_skin(
                traits,
                torch.tensor([0.02, 0.01, 0.01]),
                generator,
                skin=casting.skin,
                features=casting.features,
                table=casting.colors,
            )
            bare = (casting.features.scalp == 0) & (casting.features.lips == 0) & casting.skin.filled
            angle = float(typology_angle_deg(texture.albedo[:, bare].median(dim=1).values))
            assert abs(angle - traits.tone_deg) < 9  # very pale and full-blooded at once cannot be
            reached.append(angle)
        assert min(reached) < -50 and max(reached) > 40


class TestMakeHair:
    def test_every_style_stays_out_of_the_face_and_out_of_the_head(self, casting):
        vertices = casting.model.mean
        nose = casting.model.mean[casting.model.groups["nose"]].mean(0)
        for style in STYLES:
            layers = make_hair(
                style,
                torch.tensor([0.1, 0.1, 0.1]),
                vertices,
                torch.Generator().manual_seed(0),
                model=casting.model,
                skin=casting.skin,
                scalp=casting.scalp,
            )
            assert bool(layers) == (style.name != "bald")
            for layer in layers:
                assert (layer.label == int(Region.HAIR)).all()
                assert torch.isfinite(layer.vertices).all()
                middle = layer.vertices[layer.faces].mean(1)
                assert (middle - nose).norm(dim=1).min() > 0.025, style.name
                inner = torch.tensor([0.0, 0.05, 0.0])
                assert (middle - inner).norm(dim=1).min() > 0.05, style.name
