"""Another detector's points against ours: with a stand-in for its package, and with itself where it is installed."""

import hashlib
import io
import subprocess
import sys
import types
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import skimage.data
import torch

from head3d.capture.types import Photo
from head3d.doctor import diagnose
from head3d.errors import ConfigError, WeightsMissing
from head3d.morphable.ict_source import load_ict
from head3d.perception import topology
from head3d.perception.config import PerceptionConfig, SecondConfig
from head3d.perception.landmarks import ibug68
from head3d.perception.observe import observe
from head3d.perception.second_detector import (
    LOOK_PX,
    PARTS,
    disagreement,
    load_second_detector,
    second_opinion,
    second_points,
)
from head3d.perception.types import Landmarks

EYES_APART = 100.0
PICTURE = np.zeros((600, 600, 3), np.uint8)


@pytest.fixture
def ours() -> Landmarks:
    """Points scattered over an upright face of which four are where they should be."""
    points = np.random.default_rng(0).uniform(200, 400, (478, 2))
    points[topology.RIGHT_EYE_CORNERS[0]] = 250, 280
    points[topology.LEFT_EYE_CORNERS[0]] = 250 + EYES_APART, 280
    points[topology.GLABELLA] = 300, 260
    points[topology.CHIN] = 300, 400
    return Landmarks("mediapipe478", points, np.ones(478, bool), np.ones(478), 1.0)


@dataclass
class StandIn:
    """The package's ``FaceAlignment``, as far as it is used: it answers with the faces it was given."""

    landmarks_type: int
    network_size: int = 4
    device: str = "cuda"
    dtype: torch.dtype = torch.float32
    flip_input: bool = True
    face_detector: str = "sfd"
    face_detector_kwargs: dict[str, Any] | None = None
    verbose: bool = False
    compile: bool = True
    max_batch_size: int = 1
    faces: ClassVar[list[np.ndarray] | None] = None
    seen: ClassVar[list[np.ndarray]] = []

    def get_landmarks_from_image(self, image_or_path: Any, detected_faces: Any = None) -> list[np.ndarray] | None:
        type(self).seen.append(image_or_path)
        return type(self).faces


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch keeps nets; there are none."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def author(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in as the package, and its author's site, which has both nets."""
    site = tmp_path / "site"
    site.mkdir()
    names = []
    for stem, ending in (("s3fd", "pth"), ("2DFAN4", "pth.tar")):
        name = f"{stem}-{hashlib.sha256(stem.encode()).hexdigest()[:10]}.{ending}"
        (site / name).write_bytes(stem.encode())
        names.append((site / name).as_uri())
    api, sfd = types.ModuleType("face_alignment.api"), types.ModuleType("face_alignment.detection.sfd.sfd_detector")
    vars(sfd).update(models_urls={"s3fd": names[0]})
    vars(api).update(
        models_urls={"2DFAN-4": names[1]}, FaceAlignment=StandIn, LandmarksType=types.SimpleNamespace(TWO_D=1)
    )
    for module in (api, sfd):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(StandIn, "faces", None)
    monkeypatch.setattr(StandIn, "seen", [])
    return site


@pytest.fixture
def net(checkpoints: Path, author: Path) -> StandIn:
    return load_second_detector(download=True)


@pytest.fixture(scope="module")
def portrait() -> Photo:
    return Photo("astronaut", np.ascontiguousarray(skimage.data.astronaut()), None, "astronaut")


@pytest.fixture(scope="module")
def landmarks(portrait: Photo) -> Landmarks:
    ((seen,), _) = observe([portrait])
    return seen.landmarks


def in_the_crop(points: np.ndarray, ours: Landmarks) -> np.ndarray:
    """Points of the picture in the square that the second detector gets, by hand: an upright face, and no turn."""
    low, high = ours.points_px[:468].min(0), ours.points_px[:468].max(0)
    side = float((high - low).max()) * 2.2
    return (points - (low + high) / 2) * LOOK_PX / side + LOOK_PX / 2


class TestDisagreement:
    def test_the_same_points_agree(self, ours: Landmarks):
        found = disagreement(ours, ibug68(ours).points_px)
        assert found.median == 0.0 and found.parts == dict.fromkeys(PARTS, 0.0)

    def test_a_shift_is_told_in_distances_between_the_eyes(self, ours: Landmarks):
        found = disagreement(ours, ibug68(ours).points_px + np.array([6.0, 8.0]))
        assert found.median == pytest.approx(10 / EYES_APART)
        assert found.parts == pytest.approx(dict.fromkeys(PARTS, 10 / EYES_APART))

    def test_the_jaw_slides_and_does_not_count(self, ours: Landmarks):
        theirs = ibug68(ours).points_px.copy()
        theirs[:17] += 50.0
        found = disagreement(ours, theirs)
        assert found.median == 0.0 and found.parts["jaw"] > 0.5

    def test_hidden_points_do_not_count(self, ours: Landmarks):
        hidden = np.ones(478, bool)
        hidden[[*topology.IBUG_68[17:27], *topology.IBUG_68[36:68]]] = False
        theirs = ibug68(ours).points_px.copy()
        theirs[17:27] += 50.0
        theirs[36:] += 50.0
        found = disagreement(replace(ours, visible=hidden), theirs)
        assert found.median == 0.0 and set(found.parts) == {"jaw", "nose"}

    def test_a_profile_is_measured_by_its_height(self, ours: Landmarks):
        points = ours.points_px.copy()
        points[topology.LEFT_EYE_CORNERS[0]] = points[topology.RIGHT_EYE_CORNERS[0]]
        turned = replace(ours, points_px=points)
        assert disagreement(turned, ibug68(turned).points_px + np.array([14.0, 0.0])).median == pytest.approx(
            14 / (140 / 1.5)
        )


class TestLooking:
    def test_points_come_back_in_px_of_the_picture(self, ours: Landmarks, net: StandIn):
        StandIn.faces = [in_the_crop(ibug68(ours).points_px, ours) - 0.5]
        found = second_points(PICTURE, ours, net)
        assert found is not None
        np.testing.assert_allclose(found, ibug68(ours).points_px, atol=1e-6)
        assert StandIn.seen[0].shape == (LOOK_PX, LOOK_PX, 3)

    def test_a_lying_face_is_turned_upright_for_it(self, ours: Landmarks, net: StandIn):
        points = np.stack([600 - ours.points_px[:, 1], ours.points_px[:, 0]], axis=1)  # a quarter turn clockwise
        StandIn.faces = [in_the_crop(ibug68(ours).points_px, ours) - 0.5]
        found = second_points(PICTURE, replace(ours, points_px=points), net)
        assert found is not None
        np.testing.assert_allclose(found, points[list(topology.IBUG_68)], atol=1e-6)

    def test_of_two_faces_the_nearest_counts(self, ours: Landmarks, net: StandIn):
        here = in_the_crop(ibug68(ours).points_px, ours) - 0.5
        StandIn.faces = [here + 150.0, here, here - 150.0]
        found = second_points(PICTURE, ours, net)
        assert found is not None
        np.testing.assert_allclose(found, ibug68(ours).points_px, atol=1e-6)

    def test_what_it_says_against_us(self, ours: Landmarks, net: StandIn):
        mine = ibug68(ours).points_px
        assert second_opinion(PICTURE, ours, net) == "a second detector sees no face here"
        StandIn.faces = [in_the_crop(mine + np.array([5.0, 0.0]), ours) - 0.5]
        assert second_opinion(PICTURE, ours, net) is None
        theirs = mine + np.array([12.0, 0.0])
        theirs[48:, 0] += 20.0
        StandIn.faces = [in_the_crop(theirs, ours) - 0.5]
        assert second_opinion(PICTURE, ours, net) == (
            "a second detector disagrees: its points are 12% of the distance between the eyes from ours (lips: 32%)"
        )
        assert second_opinion(PICTURE, ours, net, config=SecondConfig(most=0.2)) is None


class TestNets:
    def test_it_is_made_for_points_in_the_picture_and_without_a_compiler(self, net: StandIn):
        assert (net.landmarks_type, net.device, net.compile) == (1, "cpu", False)

    def test_nothing_is_fetched_unless_asked_for(self, checkpoints: Path, author: Path):
        with pytest.raises(WeightsMissing, match=r"--perception\.second\.use download") as error:
            load_second_detector()
        assert str(checkpoints / "s3fd-") in error.value.message and str(author) in error.value.hint
        assert not checkpoints.exists()

    def test_what_was_fetched_once_is_used(self, net: StandIn, author: Path):
        for file in author.iterdir():
            file.unlink()
        assert load_second_detector(download=True) == load_second_detector() == net

    def test_a_damaged_net_is_named_and_fetched_again(self, net: StandIn, checkpoints: Path):
        (damaged,) = checkpoints.glob("2DFAN4-*")
        damaged.write_bytes(b"no net")
        with pytest.raises(WeightsMissing, match="is damaged"):
            load_second_detector()
        load_second_detector(download=True)
        assert damaged.read_bytes() == b"2DFAN4"

    def test_another_file_than_the_named_one_is_refused(self, checkpoints: Path, author: Path):
        (changed,) = author.glob("s3fd-*")
        changed.write_bytes(b"something else")
        with pytest.raises(WeightsMissing, match="cannot be fetched"):
            load_second_detector(download=True)
        assert not list(checkpoints.iterdir())

    def test_no_site(self, checkpoints: Path, author: Path):
        for file in author.iterdir():
            file.unlink()
        with pytest.raises(WeightsMissing, match="cannot be fetched"):
            load_second_detector(download=True)


class TestWithoutIt:
    def test_the_error_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setitem(sys.modules, "face_alignment.api", None)
        with pytest.raises(ConfigError, match="face-alignment numba"):
            load_second_detector()

    def test_another_version_is_refused_before_it_fetches_anything(self, author: Path, monkeypatch):
        monkeypatch.setattr(sys.modules["face_alignment.api"], "models_urls", {"2DFAN": {}})
        with pytest.raises(ConfigError, match="not one that head3d knows"):
            load_second_detector(download=True)

    def test_perception_imports_neither_it_nor_torchvision(self):
        check = "import sys, head3d.perception.observe; print({'face_alignment', 'torchvision'} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "set()"

    def test_doctor_lists_it(self):
        assert "face-alignment" in diagnose()["packages"]


@pytest.mark.weights
class TestPortrait:
    def test_the_68_points_are_in_the_parts_they_are_named_for(self, landmarks: Landmarks):
        at = landmarks.points_px

        def box(ring: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
            return at[list(ring)].min(0) - 1e-6, at[list(ring)].max(0) + 1e-6

        mine = ibug68(landmarks).points_px
        rings = {
            (17, 22): topology.RIGHT_BROW, (22, 27): topology.LEFT_BROW, (36, 42): topology.RIGHT_EYE,
            (42, 48): topology.LEFT_EYE, (48, 60): topology.LIPS_OUTER, (60, 68): topology.LIPS_INNER,
            (0, 17): topology.OVAL,
        }  # fmt: skip
        for (first, last), ring in rings.items():
            low, high = box(ring)
            assert ((mine[first:last] >= low) & (mine[first:last] <= high)).all()
        nose = mine[PARTS["nose"]]
        assert (np.diff(nose[:4, 1]) > 0).all() and (np.diff(nose[4:, 0]) > 0).all()  # down its bridge, then across
        assert mine[PARTS["eyes"], 1].max() < nose[3, 1] < nose[4:, 1].min() < mine[PARTS["lips"], 1].min()
        assert mine[8, 1] == mine[:, 1].max() and mine[0, 0] == mine[:, 0].min()  # chin, and the right end of the jaw

    def test_a_run_tells_of_a_disagreement_in_its_verdict(self, portrait: Photo, landmarks: Landmarks, net: StandIn):
        config = PerceptionConfig(second=SecondConfig(use="installed"))
        _, (verdict,) = observe([portrait], config=config)
        assert verdict.accepted and verdict.warnings[-1] == "a second detector sees no face here"
        _, (silent,) = observe([portrait])
        assert not any("second detector" in one for one in silent.warnings)


def test_the_mapping_is_that_of_an_annotated_head(data_folder: Path):
    """The file's own 68 vertices were marked by others: our points lie 1.6 % of the distance between the eyes off."""
    model = load_ict(data_folder / "head_models" / "ict_head_compact_i8.npz")
    corners = model.mean[model.landmark_triangles] * model.landmark_barycentrics[..., None]
    ours = corners.sum(1)[list(topology.IBUG_68), :2]
    theirs = model.mean[model.ibug_triangles[:, 0], :2]
    gap = (ours - theirs).norm(dim=1) / (theirs[36] - theirs[45]).norm()
    assert gap[17:].median() < 0.02 and gap[17:].max() < 0.06


@pytest.mark.slow
class TestItself:
    def test_the_package_itself(self, ours: Landmarks, checkpoints: Path, monkeypatch: pytest.MonkeyPatch):
        """Its own code with nets of nothing: heat maps are flat, so all points are the corner of the crop it took."""
        api = pytest.importorskip("face_alignment.api", reason="face-alignment is not installed")
        sfd = pytest.importorskip("face_alignment.detection.sfd.sfd_detector")
        checkpoints.mkdir(parents=True)
        empty = {
            "2DFAN-4": (api.FAN(4), "2DFAN4-{}.pth.tar", api.models_urls),
            "s3fd": (sfd.s3fd(), "s3fd-{}.pth", sfd.models_urls),
        }
        for key, (net, pattern, addresses) in empty.items():
            buffer = io.BytesIO()
            torch.save({name: torch.zeros_like(value) for name, value in net.state_dict().items()}, buffer)
            name = pattern.format(hashlib.sha256(buffer.getvalue()).hexdigest()[:10])
            (checkpoints / name).write_bytes(buffer.getvalue())
            monkeypatch.setitem(addresses, key, f"https://nowhere.invalid/{name}")
        net = load_second_detector()
        box = [220.0, 240.0, 420.0, 440.0]
        monkeypatch.setattr(net.face_detector, "detect_from_image", lambda image: [[*box, 1.0]])
        found = second_points(PICTURE, ours, net)
        assert found is not None and found.shape == (68, 2)
        reach = 200.0 * (200 + 200) / 195  # its crop's side for this box, px of what it was given
        corner = np.array([320.0, 340.0 - 0.12 * 200]) - reach / 2
        np.testing.assert_allclose(in_the_crop(found, ours), np.broadcast_to(corner, (68, 2)), atol=reach / 64)
        monkeypatch.setattr(net.face_detector, "detect_from_image", lambda image: [])
        assert second_points(PICTURE, ours, net) is None
