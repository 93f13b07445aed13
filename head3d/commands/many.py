"""Commands for many subjects: batch, serve."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from head3d.commands.options import parse
from head3d.console import Mode, print_line, write_json_line
from head3d.errors import ConfigError


@dataclass(frozen=True)
class Batch:
    """Heads of many people: a yaml of subjects, or a folder with a folder of photos for each. Run again, it goes on.

    OUT/manifest.json lists every subject with the checksums of its files; OUT/subjects has the folders, OUT/logs what
    each worker said. Exit code 3: some subjects could not be done.
    """

    jobs: tyro.conf.Positional[Path]
    """The yaml (subjects: [{name: ada, photos: [ada/]}]), or the folder of folders."""
    out: Path = Path("batch")
    """Folder of the batch. Machines that share it can work on it together (--shard)."""
    preset: str = ""
    """Preset for all subjects; that of the yaml, or cpu, if not given."""
    stages: str = ""
    """Only these stages, with commas: capture,perception,fit."""
    views: str = ""
    """Only these views, with commas: front,30/-10. Files of looks and picks of the viewer go under `renders` of the
    yaml."""
    size: int = 0
    """Height and width of pictures, px."""
    results: str = ""
    """URL of a folder (s3://, gs://, file://) that gets what each subject became, beside OUT."""
    set: tuple[str, ...] = ()
    """More options of `head3d run`, as KEY=VALUE: train.steps=800."""
    consent_by: str = ""
    """Who agreed, or vouches for the people in the photos. Needed here or in the yaml."""
    consent_scope: str = ""
    """What they agreed to."""
    workers: int = 0
    """Subjects side by side; 0: one per GPU, or one per four cores."""
    threads: int = 0
    """Cores for each; 0: an equal share. Results are the same to the bit for the same number."""
    gpu_memory_gb: float = 0.0
    """What one subject needs of a GPU's memory, so that several fit; 0: a whole GPU."""
    timeout: float = 3600.0
    """Seconds a subject may take; 0: no limit."""
    memory_mb: float = 0.0
    """Memory a subject may take, MB; 0: no limit."""
    retries: int = 1
    """Tries after the first; photos that cannot be used are not tried again."""
    retry_dead: bool = False
    """Take up again what an earlier run gave up."""
    most_dead: int = 0
    """Start no more subjects once so many were given up; 0: go on."""
    verify: bool = False
    """Check every file of finished subjects by its content, not only its size."""
    shard: str = ""
    """i/n: every n-th subject from the i-th on, i from 0: for arrays of jobs (Slurm, Kubernetes)."""
    slurm: int = 0
    """Submit so many tasks to Slurm, each a shard, and end (needs submitit)."""
    slurm_set: tuple[str, ...] = ()
    """Options of submitit, as KEY=VALUE: slurm_partition=gpu gpus_per_node=1 timeout_min=600."""
    ray: str = ""
    """Address of a Ray cluster (auto, ray://HOST:PORT), or local; OUT must be a folder all its nodes share."""
    log_json: bool = False
    """Events as JSON lines on standard output."""
    quiet: bool = False
    """Say nothing but what failed."""


def batch(words: Sequence[str]) -> int:
    from head3d.batch.drive import Policy
    from head3d.batch.run import run_batch
    from head3d.jobs.process import Limits
    from head3d.jobs.slots import local_slots

    options = parse(Batch, "batch", words)
    if options.slurm:
        from head3d.batch.on_slurm import submit

        jobs = submit(words, tasks=options.slurm, out=options.out, parameters=_pairs(options.slurm_set))
        print("\n".join(str(job.job_id) for job in jobs))
        return 0
    overrides = {
        "preset": options.preset,
        "stages": options.stages,
        "views": options.views,
        "size": options.size or None,
        "results": options.results,
        "options": [word for key, value in _pairs(options.set).items() for word in (f"--{key}", *value.split())],
        "consent": _consent(options),
    }
    limits = Limits(options.timeout, options.memory_mb)
    policy = Policy(options.retries, options.retry_dead, options.verify, options.most_dead)
    mode: Mode = "json" if options.log_json else "quiet" if options.quiet else "auto"
    driver = None
    if options.ray:
        from head3d.batch.on_ray import ray_driver

        driver = ray_driver(
            options.ray,
            limits=limits,
            policy=policy,
            threads=options.threads or 4,
            gpu_memory_gb=options.gpu_memory_gb,
        )
    summary = run_batch(
        options.jobs,
        options.out,
        overrides=overrides,
        slots=local_slots(workers=options.workers, threads=options.threads, gpu_memory_gb=options.gpu_memory_gb),
        limits=limits,
        policy=policy,
        shard=options.shard,
        driver=driver,
        mode=mode,
    )
    counts = {"done": len(summary.done), "dead": len(summary.dead), "waiting": len(summary.waiting)}
    if options.log_json:
        write_json_line(sys.stdout, "Result", {**counts, "manifest": str(options.out / "manifest.json")})
    else:
        said = ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "nothing to do"
        print(f"{said}; manifest: {options.out / 'manifest.json'}")
    return summary.exit_code


def _consent(options: Batch) -> dict[str, str]:
    if not options.consent_by and not options.consent_scope:
        return {}
    return {"by": options.consent_by, "scope": options.consent_scope}


def _pairs(words: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or not key:
            raise ConfigError(f"{word!r} is not KEY=VALUE.", hint="For example: train.steps=800")
        pairs[key] = value
    return pairs


@dataclass(frozen=True)
class Serve:
    """An HTTP API for heads: /v1/openapi.json describes it. Needs tokens: head3d serve --folder DIR --new-token NAME.

    Ctrl-C or SIGTERM ends it in an orderly way; jobs under way go on after the next start, also after a crash.
    """

    folder: Path = Path("server")
    """Holds everything: subjects, the queue, the sha256 of tokens."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for all (behind TLS: a proxy, or --certificate)."""
    port: int = 8765
    """TCP port."""
    certificate: Path | None = None
    """PEM file for TLS."""
    key: Path | None = None
    """PEM file of the certificate's key."""
    new_token: str = ""
    """Make a token for a tenant, print it, and end. It is shown this once."""
    quota: tuple[str, ...] = ()
    """With --new-token: what the tenant may hold: subjects=50 waiting=4 storage_mb=20000."""
    workers: int = 0
    """Jobs side by side; 0: one per GPU, or one per four cores."""
    threads: int = 0
    """Cores for each; 0: an equal share, on a cluster 4."""
    ray: str = ""
    """Address of a Ray cluster (auto, HOST:6379, ray://HOST:PORT), or local: its nodes, which share FOLDER, do the
    jobs."""
    gpu_memory_gb: float = 0.0
    """What one job needs of a GPU's memory, so that several fit; 0: a whole GPU."""
    timeout: float = 3600.0
    """Seconds a job may take; 0: no limit."""
    memory_mb: float = 0.0
    """Memory a job may take, MB; 0: no limit."""
    retries: int = 1
    """Tries of a job after the first."""
    nice: int = 5
    """Niceness of jobs: requests are answered first."""
    most_waiting: int = 64
    """Jobs that may wait; more are turned away with 429."""
    photo_mb: float = 30.0
    """Largest photo, MB."""
    megapixels: float = 60.0
    """Most pixels of a photo."""
    keep_days: float = 30.0
    """Subjects nobody touched for so long are deleted; 0: never."""


def serve(words: Sequence[str]) -> int:
    from head3d.serve.auth import new_token
    from head3d.serve.run import Listen
    from head3d.serve.run import serve as run_server
    from head3d.serve.settings import Settings

    options = parse(Serve, "serve", words)
    settings = Settings(
        options.folder,
        workers=options.workers,
        threads=options.threads,
        ray=options.ray,
        gpu_memory_gb=options.gpu_memory_gb,
        timeout_s=options.timeout,
        memory_mb=options.memory_mb,
        retries=options.retries,
        nice=options.nice,
        most_waiting=options.most_waiting,
        photo_mb=options.photo_mb,
        megapixels=options.megapixels,
        keep_days=options.keep_days,
    )
    if options.new_token:
        print(new_token(settings.tokens, options.new_token, quota=_quota(options.quota)))
        return 0
    if not settings.tokens.is_file():
        hint = f"head3d serve --folder {options.folder} --new-token NAME"
        raise ConfigError(f"{options.folder} has no tokens: nobody could ask for anything.", hint=hint)
    print_line(f"http{'s' if options.certificate else ''}://{options.host}:{options.port}/v1", out=sys.stderr)
    run_server(settings, Listen(options.host, options.port, options.certificate, options.key))
    return 0


def _quota(words: Sequence[str]) -> dict[str, int]:
    from dataclasses import fields

    from head3d.serve.settings import Quota

    known = [one.name for one in fields(Quota)]
    pairs = _pairs(words)
    for key, value in pairs.items():
        if key not in known or not value.isdigit():
            raise ConfigError(f"{key}={value} is no quota.", hint=f"There are {', '.join(known)}, whole numbers.")
    return {key: int(value) for key, value in pairs.items()}
