"""Camera corrections keep distance and scale."""

import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.train.cameras import CameraRefinement, moved_cameras, refined_cameras


def test_a_turn_keeps_the_distance_and_a_slide_keeps_the_depth():
    pose = look_at_head(yaw_deg=30.0, pitch_deg=10.0, distance_m=0.8)[None]
    turned = moved_cameras(pose, torch.tensor([[0.02, -0.05, 0.01]]), torch.zeros(1, 2))
    torch.testing.assert_close(turned[:, :3, 3].norm(dim=-1), pose[:, :3, 3].norm(dim=-1))
    slid = moved_cameras(pose, torch.zeros(1, 3), torch.tensor([[0.01, -0.02]]))
    head = torch.linalg.inv(slid)[0, :3, 3]  # the head's origin as this camera sees it
    torch.testing.assert_close(head, torch.tensor([0.01, -0.02, 0.8]), rtol=1e-4, atol=1e-5)


def test_rays_of_the_refinement_are_those_of_the_refined_camera():
    camera = Cameras(
        look_at_head(yaw_deg=0.0, pitch_deg=0.0, distance_m=0.8)[None], intrinsics(500.0, (64, 64))[None], (64, 64)
    )
    refinement = CameraRefinement(1)
    origins, directions = refinement.rays(camera.c2w, torch.tensor([0]), torch.tensor([[0.0, 0.0, 1.0]]))
    torch.testing.assert_close(origins[0], torch.tensor([0.0, 0.0, 0.8]))
    torch.testing.assert_close(directions[0], torch.tensor([0.0, 0.0, -1.0]))
    same = refined_cameras((camera,), torch.zeros(1, 3), torch.zeros(1, 2))
    torch.testing.assert_close(same[0].c2w, camera.c2w)
