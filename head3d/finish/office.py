"""A render held against the rules of its passport preset: measured, written beside the picture, and said."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.errors import ConfigError
from head3d.events import Emit, Notice
from head3d.finish.apply import Headshot
from head3d.finish.crops import CropPreset, load_crop
from head3d.finish.marks import head_marks
from head3d.finish.passport import Check, check_passport, passes, write_checks
from head3d.finish.passport_facts import PassportFacts, passport_facts
from head3d.morphable.expressions import Expression
from head3d.morphable.types import HeadModel
from head3d.render.types import RenderOutput, View


def chosen_frame(crop: str, *, size: int | None, focal_mm: float | None) -> CropPreset | None:
    """The frame a user names, with the longer side asked for; None if none is named."""
    if not crop:
        return None
    if focal_mm is not None:
        raise ConfigError("A crop chooses the focal length itself.", hint="Leave out --focal-mm, or use --lens-mm.")
    frame = load_crop(crop)
    return frame if size is None else frame.resized(size)


def check_for_office(
    path: Path,
    shot: Headshot,
    *,
    output: RenderOutput,
    view: View,
    frame: CropPreset,
    model: HeadModel,
    vertices: Float[Tensor, "V 3"],
    shown: Expression,
    emit: Emit,
) -> list[Check]:
    """Look at a finished render as its office would; writes NAME_checks.json and says what fails.

    Args:
        path: Where the picture was written.
        shot: The picture, of the size of ``output``.
        output: What it was finished from.
        view: Its camera.
        frame: Its preset, with rules.
        model: Says which vertices are what.
        vertices: The fitted head with its expression, head frame, metres.
        shown: The expression.
        emit: Hears of it.
    """
    checks, facts = office_checks(
        shot, output=output, view=view, frame=frame, model=model, vertices=vertices, shown=shown
    )
    write_checks(path, checks, facts, preset=frame.name)
    for one in checks:
        if not one.passed:
            emit(Notice(f"{path.name}, {one.name}: {one.found}; wanted: {one.wanted}. {one.advice}", "warning"))
    if passes(checks):
        emit(Notice(f"{path.name}: keeps all {len(checks)} rules of {frame.name}."))
    return checks


def office_checks(
    shot: Headshot,
    *,
    output: RenderOutput,
    view: View,
    frame: CropPreset,
    model: HeadModel,
    vertices: Float[Tensor, "V 3"],
    shown: Expression,
) -> tuple[list[Check], PassportFacts]:
    """The office's look alone; arguments as of :func:`check_for_office`."""
    assert frame.passport is not None, "only presets for offices have rules"
    alpha = output.alpha.detach().cpu()
    marks = head_marks(model, vertices, view.camera, alpha=alpha)
    yaw, pitch = torch.rad2deg(view.camera.yaw_pitch[0]).tolist()
    facts = passport_facts(
        shot.rgb_srgb,
        alpha,
        marks,
        yaw_deg=yaw,
        pitch_deg=pitch,
        units=dict(zip(model.expression_names, shown.units.tolist(), strict=True)),
        albedo=output.albedo.detach().cpu(),
    )
    return check_passport(facts, frame.passport, top=frame.top), facts
