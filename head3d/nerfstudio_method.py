"""nerfstudio method ``head3d``: a subject's field in nerfstudio's trainer, viewer, renderer and exporters.

``ns-train head3d --data subjects/me`` goes on training the field that head3d made, on the photos and their masks.
"""

# nerfstudio lives in an environment of its own (.ci/nerfstudio): the checks of this one cannot see it
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from nerfstudio.cameras.rays import RayBundle as NerfRays
from nerfstudio.configs.base_config import MachineConfig, ViewerConfig
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManagerConfig
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.engine.optimizers import AdamOptimizerConfig
from nerfstudio.engine.trainer import TrainerConfig
from nerfstudio.models.base_model import Model, ModelConfig
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig
from nerfstudio.plugins.types import MethodSpecification
from torch import Tensor
from torch.nn import Parameter

from head3d.errors import ConfigError
from head3d.field.occupancy import ShellCache
from head3d.imaging.color import srgb_from_linear
from head3d.nerfstudio_data import Head3dDataParserConfig
from head3d.render.types import RayBundle
from head3d.render.volume import render_rays
from head3d.subject import Subject

EIKONAL = 1e-2
"""Weight of the gradient's length against one."""


@dataclass
class Head3dModelConfig(ModelConfig):
    """How the field is rendered while it trains."""

    _target: type = field(default_factory=lambda: Head3dModel)
    """What it configures."""
    samples: int = 24
    """Samples per ray in the shell about the surface."""
    colors: int = 4
    """Of these, how many are given a colour."""
    refresh_every: int = 10
    """Steps between two looks at where the surface is."""
    background: float = 0.5
    """Grey (sRGB) behind the head."""


class Head3dModel(Model):
    """The field of a subject, neutral, under the light of each photo."""

    config: Head3dModelConfig

    def populate_modules(self) -> None:
        super().populate_modules()
        facts = self.kwargs.get("metadata") or {}
        if "head3d_subject" not in facts:
            raise ConfigError("The method head3d needs its own data.", hint="ns-train head3d --data subjects/me")
        self.radiance = Subject(Path(facts["head3d_subject"])).field()
        self.scale = float(facts["head3d_scale"])
        self.photos = [int(one) for one in facts["head3d_photos"]]
        self.cache = ShellCache(self.radiance)
        self.cache.refresh(self.radiance)

    def get_param_groups(self) -> dict[str, list[Parameter]]:
        return {"fields": list(self.radiance.parameters())}

    def get_training_callbacks(
        self, training_callback_attributes: TrainingCallbackAttributes
    ) -> list[TrainingCallback]:
        def refresh(step: int) -> None:
            del step
            self.cache.refresh(self.radiance)

        where = [TrainingCallbackLocation.AFTER_TRAIN_ITERATION]
        return [TrainingCallback(where, refresh, update_every_num_iters=self.config.refresh_every)]

    def get_outputs(self, ray_bundle: NerfRays) -> dict[str, Tensor]:
        origins = (ray_bundle.origins / self.scale).reshape(-1, 3)
        directions = ray_bundle.directions.reshape(-1, 3)
        count = len(self.radiance.sh)
        if ray_bundle.camera_indices is None or not self.training:
            light = torch.zeros(len(origins), dtype=torch.long)
        else:
            chosen = torch.tensor(self.photos)[ray_bundle.camera_indices.reshape(-1).cpu()]
            light = chosen.clamp(max=count - 1)
        near, far = self.cache.span(origins, directions)
        seen = render_rays(
            self.radiance,
            self.cache,
            RayBundle(origins, directions, near, far, light),
            self.radiance.sh,
            sd_m=float(self.radiance.sd_m),
            samples=self.config.samples,
            colors=self.config.colors,
            normal_step_m=1e-3,
        )
        alpha = seen.alpha[:, None]
        rgb = srgb_from_linear(seen.radiance.clamp(min=0.0)).clamp(max=1.0)
        return {
            "rgb": rgb * alpha + self.config.background * (1 - alpha),
            "accumulation": alpha,
            "depth": seen.t[:, None] * self.scale,
            "normals": torch.nn.functional.normalize(seen.gradient, dim=-1, eps=1e-6) * 0.5 + 0.5,
            "slope": seen.gradient.norm(dim=-1, keepdim=True),
        }

    def get_rgba_image(self, outputs: dict[str, Tensor], output_name: str = "rgb") -> Tensor:
        """Colours without the grey behind the head, and its coverage: what ns-export makes points of."""
        alpha = outputs["accumulation"]
        grey = self.config.background * (1 - alpha)
        return torch.cat([((outputs[output_name] - grey) / alpha.clamp(min=1e-3)).clamp(0, 1), alpha], dim=-1)

    def get_loss_dict(
        self, outputs: dict[str, Tensor], batch: dict[str, Any], metrics_dict: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        del metrics_dict
        wanted = batch["image"].to(outputs["rgb"])[..., :3]
        hit = (outputs["accumulation"] > 0.5).float()
        return {
            "rgb_loss": (outputs["rgb"] - wanted).abs().mean(),
            "eikonal_loss": EIKONAL * ((outputs["slope"] - 1).square() * hit).mean(),
        }

    def get_metrics_dict(self, outputs: dict[str, Tensor], batch: dict[str, Any]) -> dict[str, Tensor]:
        wanted = batch["image"].to(outputs["rgb"])[..., :3]
        return {"psnr": -10 * torch.log10((outputs["rgb"] - wanted).square().mean().clamp(min=1e-10))}

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        metrics = {"psnr": float(self.get_metrics_dict(outputs, batch)["psnr"])}
        pair = torch.cat([batch["image"].to(outputs["rgb"])[..., :3], outputs["rgb"]], dim=1)
        return metrics, {"img": pair, "normals": outputs["normals"]}


Head3d = MethodSpecification(
    config=TrainerConfig(
        method_name="head3d",
        steps_per_eval_batch=500,
        steps_per_save=500,
        max_num_iterations=1000,
        mixed_precision=False,
        machine=MachineConfig(device_type="cuda" if torch.cuda.is_available() else "cpu"),
        pipeline=VanillaPipelineConfig(
            datamanager=VanillaDataManagerConfig(
                dataparser=Head3dDataParserConfig(), train_num_rays_per_batch=1024, eval_num_rays_per_batch=1024
            ),
            model=Head3dModelConfig(eval_num_rays_per_chunk=1 << 14),
        ),
        optimizers={"fields": {"optimizer": AdamOptimizerConfig(lr=1e-3, eps=1e-15), "scheduler": None}},
        viewer=ViewerConfig(num_rays_per_chunk=1 << 14, websocket_host="127.0.0.1"),
        vis="viewer",
    ),
    description="A relightable head that head3d made from a few photos, trained on.",
)
"""The entry point ``head3d``."""
