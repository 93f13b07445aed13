"""Commands that train head3d's own networks: train-parsing, train-lift, train-completion, train-refiner, train-gate."""

from collections.abc import Sequence

from head3d.commands.options import parse
from head3d.console import listen


def train_parsing(words: Sequence[str]) -> int:
    """``head3d train-parsing``: the net that divides photos into regions."""
    from head3d.prior import train_parsing as training

    options = parse(training.ParsingTraining, "train-parsing", words)
    with listen() as emit:
        training.train_parsing(options, emit=emit)
    return 0


def train_lift(words: Sequence[str]) -> int:
    """``head3d train-lift``: the net that completes a head's shape from what photos tell of it."""
    from head3d.trials import train_lift as training

    options = parse(training.LiftTraining, "train-lift", words)
    with listen() as emit:
        training.train_lift(options, emit=emit)
    return 0


def train_completion(words: Sequence[str]) -> int:
    """``head3d train-completion``: the net that imagines what no photo saw."""
    from head3d.prior import train_completion as training

    options = parse(training.CompletionTraining, "train-completion", words)
    with listen() as emit:
        training.train_completion(options, emit=emit)
    return 0


def train_refiner(words: Sequence[str]) -> int:
    """``head3d train-refiner``: the net that sharpens and enlarges pictures."""
    from head3d.refine import train_refiner as training

    options = parse(training.RefinerTraining, "train-refiner", words)
    with listen() as emit:
        training.train_refiner(options, emit=emit)
    return 0


def train_gate(words: Sequence[str]) -> int:
    """``head3d train-gate``: the net that tells broken pictures, and the thresholds of the gate."""
    from head3d.trials import train_gate as training

    options = parse(training.GateTraining, "train-gate", words)
    with listen() as emit:
        training.train_gate_command(options, emit=emit)
    return 0
