"""The look that raters would like best, found by trying: one choice is changed at a time and the best one kept.

Coordinate ascent over named choices (angle, light, expression, ...), from several starts; every combination is drawn
once at most. What a choice is worth comes from whoever asks: a preference model over a small picture, usually.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Choice = tuple[str, ...]
"""One option of each axis, in the order of the axes."""


@dataclass(frozen=True)
class Found:
    """A combination and what it is worth.

    Attributes:
        choice: By axis.
        reward: Of the picture.
    """

    choice: Mapping[str, str]
    reward: float


def search(
    axes: Mapping[str, Sequence[str]],
    worth: Callable[[Mapping[str, str]], float | None],
    *,
    most: int = 40,
    starts: Sequence[Mapping[str, str]] = (),
) -> list[Found]:
    """Every combination that was tried, the best first.

    Args:
        axes: Options by axis, the usual one first.
        worth: Reward of a combination, or None where it may not be delivered (the gate refused it).
        most: Combinations that are tried at most.
        starts: Where to begin besides the usual options.
    """
    names = list(axes)
    tried: dict[Choice, float | None] = {}

    def ask(choice: Choice) -> float | None:
        if choice not in tried:
            if len(tried) >= most:
                return None
            tried[choice] = worth(dict(zip(names, choice, strict=True)))
        return tried[choice]

    usual = {name: options[0] for name, options in axes.items()}
    for start in ({}, *starts):
        here = tuple({**usual, **start}[name] for name in names)
        best = ask(here)
        moved = True
        while moved and len(tried) < most:
            moved = False
            for place, name in enumerate(names):
                for option in axes[name]:
                    there = (*here[:place], option, *here[place + 1 :])
                    reward = ask(there)
                    if reward is not None and (best is None or reward > best):
                        here, best, moved = there, reward, True
    found = [
        Found(dict(zip(names, choice, strict=True)), reward) for choice, reward in tried.items() if reward is not None
    ]
    return sorted(found, key=lambda one: -one.reward)
