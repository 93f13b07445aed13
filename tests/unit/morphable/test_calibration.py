"""The landmark nets' known bias."""

import numpy as np
import torch

from head3d.morphable.calibration import MIRROR_478, PITCH_NODES, YAW_NODES, detector_bias, fit_table


def test_mirror_images_have_mirrored_bias() -> None:
    offset, sd = detector_bias(37.0, 8.0)
    mirrored, same_sd = detector_bias(-37.0, 8.0)
    assert torch.allclose(mirrored, offset[MIRROR_478] * torch.tensor([-1.0, 1.0]))
    assert torch.equal(same_sd, sd[MIRROR_478])


def test_bias_grows_with_yaw_from_nothing_at_the_front() -> None:
    sizes = [detector_bias(yaw, 0.0)[0].norm(dim=1).median().item() for yaw in (0.0, 35.0, 70.0)]
    assert sizes[0] < sizes[1] < sizes[2]
    assert sizes[0] < 1e-4
    assert 0.0005 < detector_bias(0.0, 0.0)[1].median() < 0.004


def test_the_border_holds_beyond_the_table() -> None:
    assert torch.equal(detector_bias(120.0, 50.0)[0], detector_bias(80.0, 30.0)[0])


def test_fit_recovers_a_smooth_bias_and_its_noise_despite_outliers() -> None:
    rng = np.random.default_rng(0)
    poses = np.stack([rng.uniform(-85, 85, 400), rng.uniform(-32, 32, 400)], axis=1)
    clean = np.zeros((400, 478, 2))
    clean[..., 0] = 1e-4 * poses[:, :1]  # turns over with the yaw, as a mirrored bias must
    clean[..., 1] = 1e-4 * poses[:, 1:]
    noisy = clean + rng.normal(0, 1e-3, clean.shape)
    noisy[::40] += 0.05
    table = fit_table(poses, noisy, np.ones((400, 478), dtype=bool))
    yaw, pitch = np.meshgrid(YAW_NODES, PITCH_NODES, indexing="ij")
    inner = slice(1, -1)
    wanted = 1e-4 * np.stack([yaw, pitch], axis=-1)
    error = table.offset_m.mean(2) - wanted
    assert np.abs(error[inner, inner]).max() < 7e-4
    assert 0.0008 < np.median(table.sd_m) < 0.0022
