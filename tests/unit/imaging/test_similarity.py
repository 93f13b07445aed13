import ast
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

import head3d
from head3d import weights
from head3d.errors import CorruptPart, ShapeError
from head3d.imaging import similarity
from head3d.imaging.perceptual import FILES, read_arrays
from tests.reference.array_pickle import read_array_pickle


def picture(seed: int, size: tuple[int, int] = (64, 48)) -> torch.Tensor:
    coarse = torch.rand(1, 3, 8, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=size, mode="bicubic").clamp(0, 1)[0].permute(1, 2, 0)


class TestPsnr:
    def test_a_constant_difference_of_a_tenth_is_20_db(self):
        a = torch.full((8, 8, 3), 0.4)
        assert similarity.psnr_db(a, a + 0.1) == pytest.approx(20.0, abs=1e-4)

    def test_noise_of_known_variance(self):
        noise = 0.05 * torch.randn(200, 200, 3, generator=torch.Generator().manual_seed(0))
        assert similarity.psnr_db(torch.zeros(200, 200, 3), noise) == pytest.approx(-20 * math.log10(0.05), abs=0.05)

    def test_pixels_outside_the_mask_do_not_count(self):
        a, b = picture(0), picture(0).clone()
        b[:, 24:] = 0.0
        mask = torch.zeros(64, 48)
        mask[:, :24] = 1.0
        assert similarity.psnr_db(a, b, mask=mask) == math.inf

    def test_wrong_size_is_named(self):
        with pytest.raises(ShapeError, match="second"):
            similarity.psnr_db(torch.zeros(4, 4, 3), torch.zeros(5, 4, 3))


class TestSsim:
    def test_equals_scikit_image(self):
        a = picture(1)
        b = (a + 0.1 * torch.randn(a.shape, generator=torch.Generator().manual_seed(2))).clamp(0, 1)
        options = {"channel_axis": -1, "data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "full": True}
        theirs = structural_similarity(a.double().numpy(), b.double().numpy(), use_sample_covariance=False, **options)
        got = similarity.ssim_map(a.double(), b.double())
        assert np.abs(got.numpy() - np.asarray(theirs[1]).mean(-1)).max() < 1e-10
        assert float(similarity.ssim(a, b)) == pytest.approx(float(theirs[0]), abs=1e-5)

    def test_equal_pictures_give_one(self):
        assert float(similarity.ssim(picture(3), picture(3))) == pytest.approx(1.0)


@pytest.mark.weights
class TestLpips:
    def test_black_against_white_equals_the_upstream_code(self):
        # the value that the code of the lpips 0.1.4 package gives for this pair
        got = similarity.lpips(torch.ones(64, 64, 3), torch.zeros(64, 64, 3))
        assert float(got) == pytest.approx(0.8139543, abs=1e-5)

    def test_blur_hurts_more_than_a_shade(self):
        a = torch.rand(64, 64, 3, generator=torch.Generator().manual_seed(0))
        blurred = torch.nn.functional.avg_pool2d(a.permute(2, 0, 1)[None], 5, 1, 2)[0].permute(1, 2, 0)
        assert similarity.lpips(a, blurred) > 5 * similarity.lpips(a, a * 0.97)

    def test_only_places_in_the_mask_count(self):
        a = torch.rand(128, 128, 3, generator=torch.Generator().manual_seed(0))
        b = a.clone()
        b[:, 96:] = 0
        mask = torch.zeros(128, 128)
        mask[:, :8] = 1
        assert similarity.lpips(a, b, mask=mask) < 0.05 * similarity.lpips(a, b)


class TestPublishedArrays:
    @pytest.mark.weights
    @pytest.mark.parametrize("backbone", ["alex", "vgg"])
    def test_equal_what_unpickling_gives(self, backbone):
        path = weights.get(FILES[backbone])
        found, wanted = read_arrays(backbone, path), read_array_pickle(path)
        assert len(found) == len(wanted)
        layers = (len(found) - 5) // 2
        names = {f"{kind}_{i}": f"Conv_{i}/{kind}" for i in range(layers) for kind in ("kernel", "bias")}
        net = {"alex": "AlexNet_0", "vgg": "VGG16_0"}[backbone]
        for ours, theirs in names.items():
            assert np.array_equal(found[ours], wanted[f"{net}/{theirs}"])
        for i in range(5):
            assert np.array_equal(found[f"head_{i}"], wanted[f"NetLinLayer_{i}/Conv_0/kernel"].ravel())

    def test_any_other_file_is_refused_unread(self, tmp_path):
        path, done = tmp_path / "alexnet.ckpt", tmp_path / "done"
        path.write_bytes(f"cos\nsystem\n(S'touch {done}'\ntR.".encode())
        with pytest.raises(CorruptPart, match=r"alexnet\.ckpt: not the published file"):
            read_arrays("alex", path)
        assert not done.exists()

    @pytest.mark.weights
    def test_a_published_file_that_lost_its_end_is_refused(self, tmp_path):
        path = tmp_path / "alexnet.ckpt"
        path.write_bytes(weights.get("alexnet").read_bytes()[:-1])
        with pytest.raises(CorruptPart, match=r"alexnet\.ckpt"):
            read_arrays("alex", path)


UNSAFE = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}


def test_no_module_can_read_a_pickle():
    """Neither by Python's own means nor through torch or numpy, which can do it, too."""
    root = Path(head3d.__file__).parents[1]
    for path in [*(root / "head3d").rglob("*.py"), *(root / "viewer").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not UNSAFE & {name.partition(".")[0] for name in names}, f"{path}:{node.lineno}"  # type: ignore[attr-defined]
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("torch.load", "pandas.read_pickle"), f"{path}:{node.lineno}"
                allowed = [one for one in node.keywords if one.arg == "allow_pickle"]
                assert all(ast.unparse(one.value) == "False" for one in allowed), f"{path}:{node.lineno}"
