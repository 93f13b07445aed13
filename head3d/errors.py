"""Everything head3d raises on purpose. Each user error says what happened, to which photo or file, and what to do.

The CLI prints ``message`` in red and ``hint`` below it, and exits with ``exit_code``; ``--debug`` shows the traceback.
"""

import importlib
from typing import Any, ClassVar


class Head3DError(Exception):
    """Base of all errors a user can cause or cure."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(Head3DError):
    """The photos, or a path the user gave, cannot be used."""

    exit_code = 3


class NoFaceFound(InputError):
    """A photo shows no face that the detector finds."""


class ManyFaces(InputError):
    """Several people, and nothing tells which one is the subject."""


class PhotoUnusable(InputError):
    """A file is not a picture, or not one that can be used."""


class TooFewPhotos(InputError):
    """Not enough usable photos are left to make a head."""


class NothingDelivered(InputError):
    """The gate refused every picture; the head and the report are there."""


class ConsentMissing(InputError):
    """It is not said who agreed, or to what."""


class ConfigError(Head3DError):
    """An unknown preset or a value out of range."""

    exit_code = 2


class WeightsMissing(Head3DError):
    """A model file is neither cached nor to be had."""

    exit_code = 4


class KernelBuildError(Head3DError):
    """The kernels do not compile; the message names the missing tool and the log."""

    exit_code = 5


class FormatError(Head3DError):
    """A file of a subject folder does not follow its format."""

    exit_code = 6


class FormatTooNew(FormatError):
    """A subject folder written by a newer head3d."""


class CorruptPart(FormatError):
    """A part of a subject folder is truncated or was edited; the stage that made it must run again."""


class StorageError(Head3DError):
    """The disk is full or read-only."""

    exit_code = 6


class SubjectBusy(StorageError):
    """Another process works on the subject; wait, or stop it."""


class FitFailed(Head3DError):
    """The head model does not explain the photos."""

    exit_code = 7


class TrainDiverged(Head3DError):
    """Training ended in NaN or a rising loss; names the step and the last good checkpoint."""

    exit_code = 7


def optional_package(module: str, needs: str, *, hint: str) -> Any:
    """Import a package that head3d works without; ConfigError with what ``needs`` it, and how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(needs, hint=hint) from error


class ShapeError(ValueError):
    """An array of the wrong shape or type: a programmer's error, so the traceback is shown."""

    def __init__(self, name: str, *, expected: str, actual: str) -> None:
        super().__init__(f"{name}: expected {expected}, got {actual}")
        self.name = name
        self.expected = expected
        self.actual = actual
