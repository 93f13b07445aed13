"""From photos to the report: what each stage reads of the subject folder, which function it calls, what it writes."""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from head3d import store
from head3d.capture.files import picture_files
from head3d.capture.verdicts import nothing_left
from head3d.config import Config, config_yaml
from head3d.errors import ConfigError, ConsentMissing, CorruptPart, InputError, StorageError
from head3d.events import Emit, Notice, Progress, StageStart, ignore
from head3d.stage_inputs import (
    given_cameras,
    headshot_inputs,
    imagined_by,
    light_content,
    made_since,
    parsing_version,
    shape_content,
    sources_sha,
    split_held_out,
)
from head3d.stages import Job, Stage, run_stages
from head3d.subject import Consent, Ledger, Subject, check_free, consent_of


def run(
    photos: Sequence[str | Path],
    out: str | Path,
    *,
    config: Config | None = None,
    consent: Consent | None = None,
    stages: Sequence[str] = (),
    demand_consent: bool = False,
    emit: Emit = ignore,
    previews: bool = False,
) -> Subject:
    """Make a head and its headshots from photos of one person; run again, it redoes only what is stale.

    Args:
        photos: 1 to 20 photos, folders of photos, or a video; none to go on with those already in ``out``.
        out: The subject folder.
        config: Options; the defaults if None.
        consent: Who agreed; a new subject without it is recorded as made by the person who runs this, of themselves.
        stages: Only these, in the order of the pipeline; what they read must be there. All if empty.
        demand_consent: Refuse a new subject without it.
        emit: Hears progress.
        previews: Let it hear what the head looks like while it is trained; the result is the same.
    """
    chosen = choose_stages(stages)
    subject = Subject(Path(out))
    sources = tuple(Path(photo) for photo in photos)
    config = config or Config()
    _check_sources(sources, subject)
    if demand_consent and consent is None and not subject.exists:
        for source in sources:
            picture_files(source)  # tells first what is not there
        hint = 'Photos of you: add --consent self. Of others: --consent "NAME, 2026-01-31, what they agreed to".'
        raise ConsentMissing("Nobody is named who agreed to this.", hint=hint)
    check_free(subject.path)
    with subject.locked():
        ledger = _open_ledger(subject, consent, emit)
        subject.write_ledger(ledger)
        store.write_bytes(subject.path / "config.yaml", config_yaml(config).encode())
        job = Job(subject, subject.path, config, sources, emit, previews=previews)
        check_needs(chosen, ledger)
        run_stages(job, chosen)
    return subject


def choose_stages(names: Sequence[str]) -> tuple[Stage, ...]:
    """Stages by name, in the order they run; all if none is named; ConfigError with the nearest name."""
    known = [stage.name for stage in STAGES]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Perhaps you meant {near[0]}." if near else f"There are {', '.join(known)}."
            raise ConfigError(f"There is no stage {name!r}.", hint=hint)
    return tuple(stage for stage in STAGES if not names or stage.name in names)


def check_needs(stages: Sequence[Stage], ledger: Ledger) -> None:
    """ConfigError if a stage reads what neither an earlier run made nor this one will."""
    there = set(ledger.stages)
    for stage in stages:
        missing = [need for need in stage.needs if need not in there]
        if missing:
            raise ConfigError(
                f"Stage {stage.name} needs {missing[0]}, which this subject does not have.",
                hint=f"Add {missing[0]} to the stages, or leave the choice of stages out.",
            )
        there.add(stage.name)


def capture(job: Job) -> None:
    """photos/: upright sRGB without metadata, and a verdict on every file."""
    from head3d.capture.photos import gather
    from head3d.parts import write_photos

    if not job.sources:
        raise InputError(
            f"{job.subject.path}: the photos must be read again, and none are given.",
            hint="Give them: head3d run PHOTO... --out FOLDER",
        )
    photos, verdicts = gather(job.sources, config=job.config.capture, emit=job.emit)
    if not photos:
        raise nothing_left(verdicts)
    write_photos(job.folder, photos, verdicts)


def perception(job: Job) -> None:
    """perception/: faces, landmarks, regions, identity; who of several people is the subject."""
    from head3d.parts import write_observations
    from head3d.perception.observe import observe

    observations, verdicts = observe(job.subject.photos(), config=job.config.perception, emit=job.emit)
    if not observations:
        raise nothing_left(verdicts)
    write_observations(job.folder, observations, verdicts)


def fit(job: Job) -> None:
    """fit/: one head for all photos, and each photo's camera, expression and light."""
    from head3d.morphable.fit import fit_head
    from head3d.parts import write_fit

    observations = split_held_out(job.subject.observations(), job.config)[0]
    cameras = given_cameras(observations, emit=job.emit)
    scan = None
    if job.config.scan:
        from head3d.capture.scan import read_scan

        scan = read_scan(Path(job.config.scan))
    fitted = fit_head(observations, config=job.config.fit, cameras=cameras, scan=scan, emit=job.emit)
    write_fit(job.folder, fitted, photos=[one.photo.name for one in observations])


def field(job: Job) -> None:
    """field/: the head as a radiance field; resumes from its last checkpoint."""
    from head3d.field.radiance import field_state
    from head3d.parts import write_field
    from head3d.train.loop import train_field
    from head3d.train.preview import Previews

    observations = split_held_out(job.subject.observations(), job.config)[0]
    train = job.config.train
    if given_cameras(observations) is not None:
        train = replace(train, refine_cameras=False)  # what was measured stays
    trained = train_field(
        job.subject.fit(),
        observations,
        config=train,
        emit=job.emit,
        checkpoints=job.folder / "checkpoints",
        previews=Previews(job.emit) if job.previews else None,
    )
    state = field_state(trained)
    facts = {"tensors": len(state), "parameters": sum(value.numel() for value in state.values())}
    write_field(job.folder, state, facts=facts)


def views(job: Job) -> None:
    """views/: the field from every named angle."""
    import torch

    from head3d.field.gaze import eye_contact_deg
    from head3d.garments.catalogue import choose_outfit
    from head3d.kernels.library import choose_device
    from head3d.parts_views import write_order, write_view
    from head3d.render.confidence import view_confidence
    from head3d.render.posed import neutral_eyes
    from head3d.render.volume import render_view
    from head3d.rendering import make_views, photo_sight, subject_light, surface_cache, wearer_of

    trained = job.subject.field()
    options = job.config.views
    light = subject_light(
        options.light,
        options.lighting,
        field=trained,
        photos=job.subject.fitted_photos(),
        finish=job.config.finish,
    )
    wanted = make_views(options.names, light=light, size_px=options.size_px)
    trained = trained.to(choose_device(job.config.train.device))
    cache = surface_cache(trained)
    sight = photo_sight(job.subject, trained, cache)
    eyes = neutral_eyes(trained, job.subject.fit())
    ahead = [torch.zeros(3)] * len(eyes)
    wearer = wearer_of(job.subject, trained, choose_outfit(options.garment, options.garment_color))
    if wearer is not None:
        trained, cache = wearer.field, wearer.cache
    job.emit(StageStart("views", len(wanted)))
    for step, view in enumerate(wanted):
        output = render_view(trained, view, config=job.config.render, cache=cache)
        output = output if wearer is None else wearer.dress(output, view)
        found = view_confidence(sight, output, view)
        write_view(
            job.folder / view.name,
            output,
            view,
            confidence=found,
            map_png=options.confidence_png,
            eye_contact_deg=eye_contact_deg(eyes, ahead, view.camera.centre[0]),
        )
        job.emit(Progress("views", step + 1, len(wanted), view.name))
    write_order(job.folder, [view.name for view in wanted])


def headshots(job: Job) -> None:
    """headshots/: finished pictures by light, and a contact sheet; mostly invented views are put aside in refused/."""
    from head3d.export.provenance import write_with_provenance
    from head3d.export.signing import identity_of
    from head3d.finish.apply import finish_set
    from head3d.finish.contact_sheet import blank, contact_sheet
    from head3d.parts_views import read_eye_contact, read_shares, write_headshots
    from head3d.quality.consistency import rendered_consistency
    from head3d.quality.gate import deliverable, judge_sight, most_helpful
    from head3d.quality.picture_gate import inspect_pictures
    from head3d.refine.apply import refine_set, refined_by
    from head3d.rendering import finish_under, gate_of, skin_blotches, surface_cache

    rendered = job.subject.views()
    verdicts = {}
    for _, view in rendered:
        shares = read_shares(job.subject.path / "views" / view.name)
        if shares is not None:
            verdicts[view.name] = judge_sight(view.name, shares, config=job.config.gate)
    config = finish_under(job.config.finish, job.config.views.lighting)
    signer = identity_of(job.config.provenance)
    refined = refine_set([output for output, _ in rendered], [view for _, view in rendered], config=job.config.refine)
    if config.retouch > 0:
        trained = job.subject.field()
        blotches = skin_blotches(trained, surface_cache(trained))
        refined = blotches.evened_set(refined, [view for _, view in rendered], strength=config.retouch)
    kind = config.format
    finished = finish_set(refined, [view for _, view in rendered], config=config, deep=kind == "tiff")
    gate = gate_of(job.subject, job.config.gate)
    judged = inspect_pictures(gate, [shot.rgb_srgb for shot in finished], refined, [view for _, view in rendered])
    names = [view.name for _, view in rendered]
    kept = deliverable(names, verdicts, judged)
    for name, verdict in (*verdicts.items(), *judged.items()):
        if verdict.sentence:
            job.emit(Notice(verdict.sentence + ("" if name in kept else " It is put aside."), "warning"))
    files, aside = {}, {}
    for shot, (_, view) in zip(finished, rendered, strict=True):
        put = "" if shot.view in kept else "refused/"
        place = (aside if put else files)[shot.view] = f"{put}{view.lighting_name}/{shot.view}.{kind}"
        facts = {**shot.provenance, "refined": refined_by(job.config.refine)}
        if shot.view in verdicts:
            facts["confidence"] = str(verdicts[shot.view].shares)
        if shot.view in judged:
            facts["gate"] = judged[shot.view].level
        contact = read_eye_contact(job.subject.path / "views" / view.name)
        if contact is not None:
            facts["eye_contact"] = f"{contact:.1f}"
        path = job.folder / place
        store.make_folder(path.parent)
        levels = shot.rgb_srgb if shot.deep_srgb is None else shot.deep_srgb
        write_with_provenance(path, levels, facts=facts, signer=signer)
    consistency = rendered_consistency(refined, [view for _, view in rendered])
    write_headshots(
        job.folder,
        files,
        verdicts=verdicts,
        pictures=judged,
        aside=aside,
        consistency=consistency,
        advice=most_helpful(verdicts, judged),
    )
    holes = [blank(shot) for shot in finished]  # a sheet of them says that all were refused
    labels = [] if kept else [f"{shot.view.replace('-', ' ')}: refused" for shot in finished]
    sheet = contact_sheet([shot for shot in finished if shot.view in kept] or holes, labels=labels)
    write_with_provenance(job.folder / "contact_sheet.jpg", sheet, facts={"view": "contact sheet"}, signer=signer)


def report(job: Job) -> None:
    """report/: one page with inputs and verdicts, the fit over each photo, headshots, numbers, time and memory."""
    from head3d.quality.report import write_report
    from head3d.reporting import gather_report

    held_out = split_held_out(job.subject.observations(), job.config)[1]
    content = gather_report(
        job.subject,
        records=job.records,
        held_out=[one.photo.name for one in held_out],
        render=job.config.render,
        gate=job.config.gate,
    )
    write_report(job.folder, content)


BEFORE_REPORT = ("capture", "perception", "fit", "field", "views", "headshots")

STAGES: tuple[Stage, ...] = (
    Stage("capture", 1, (), lambda c: c.capture, capture, extra=sources_sha, folder="photos"),
    Stage("perception", 3, ("capture",), lambda c: c.perception, perception, extra=parsing_version),
    Stage("fit", 1, ("capture", "perception"), lambda c: (c.fit, c.hold_out_from), fit, extra=shape_content),
    Stage(
        "field",
        9,
        ("capture", "perception", "fit"),
        lambda c: c.train,
        field,
        extra=imagined_by,
        resumable="checkpoints",
    ),
    # *.json: picks of the viewer lie beside the views
    Stage("views", 6, ("fit", "field"), lambda c: (c.views, c.render), views, extra=light_content, keeps="*.json"),
    Stage(
        "headshots",
        7,
        ("capture", "perception", "fit", "views"),
        lambda c: (c.refine, c.finish, c.views.lighting.exposure, c.gate, c.provenance),
        headshots,
        extra=headshot_inputs,
    ),
    Stage("report", 7, BEFORE_REPORT, lambda c: (c.render, c.gate, c.hold_out_from), report, extra=made_since),
)
"""In the order they run."""


def _open_ledger(subject: Subject, consent: Consent | None, emit: Emit) -> Ledger:
    if subject.exists:
        try:
            ledger = subject.ledger()
            return Ledger(consent or ledger.consent, ledger.stages, ledger.created)
        except CorruptPart as error:
            emit(Notice(f"{error.message} Every stage runs again.", "warning"))
    if consent is None:
        consent = consent_of()
        text = f'Consent recorded: by {consent.by}, scope "self". For photos of somebody else use --consent-by NAME.'
        emit(Notice(text))
    return Ledger(consent)


def _check_sources(sources: Sequence[Path], subject: Subject) -> None:
    own = subject.path.resolve()
    for source in sources:
        if source.resolve().is_relative_to(own):
            raise InputError(
                f"{source} lies inside the subject folder.",
                hint="Keep your photos elsewhere: head3d empties its folders.",
            )
        if not source.is_dir() and own.is_relative_to(source.resolve()):
            raise StorageError(f"{subject.path} lies below a file.", hint="Choose another folder with --out.")
    if not sources and not subject.exists:
        raise InputError("No photos given.", hint="head3d run PHOTO... --out FOLDER")
