"""What the server allows: sizes, numbers, times."""

from dataclasses import dataclass, field
from pathlib import Path

from head3d.errors import ConfigError


@dataclass(frozen=True)
class Quota:
    """What one tenant may hold at a time."""

    subjects: int = 200
    """Subjects that are not deleted."""
    waiting: int = 16
    """Jobs that wait or run."""
    storage_mb: int = 50_000
    """Photos and results, MB."""


@dataclass(frozen=True)
class Settings:
    """One server."""

    folder: Path
    """Holds everything: ledger, tokens, subjects."""
    workers: int = 0
    """Jobs side by side; 0: one per GPU, or one per four cores."""
    threads: int = 0
    """Cores for each; 0: an equal share."""
    ray: str = ""
    """Address of a Ray cluster that does the jobs; "" for this machine."""
    gpu_memory_gb: float = 0.0
    """What one job needs of a GPU's memory; 0: a whole GPU."""
    timeout_s: float = 3600.0
    """A job may take."""
    memory_mb: float = 0.0
    """A job may use; 0: no limit."""
    retries: int = 1
    """Tries of a job after the first."""
    nice: int = 5
    """Added to the niceness of jobs: requests are answered first."""
    most_waiting: int = 64
    """Jobs that wait; more are turned away with 429."""
    photo_mb: float = 30.0
    """One photo."""
    photos: int = 20
    """Photos of a subject."""
    megapixels: float = 60.0
    """Of a photo, told by its header."""
    keep_days: float = 30.0
    """Subjects nobody touched for so long are deleted; 0: never."""
    free_mb: float = 2000.0
    """Less than this on the disk: no new work."""
    quota: Quota = field(default_factory=Quota)
    """Of tenants whose entry in the tokens file says nothing else."""

    def __post_init__(self) -> None:
        for name in ("photo_mb", "megapixels", "photos", "most_waiting"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be above 0.", hint="See head3d serve --help.")

    @property
    def database(self) -> Path:
        """The ledger."""
        return self.folder / "serve.sqlite"

    @property
    def tokens(self) -> Path:
        """Who may do what."""
        return self.folder / "tokens.json"

    @property
    def request_bytes(self) -> int:
        """The largest upload: all photos of a subject at once, and their headings."""
        return int(self.photo_mb * 1e6) * self.photos + 100_000

    def home(self, tenant: str, subject: str) -> Path:
        """Everything of one subject."""
        return self.folder / "subjects" / tenant / subject
