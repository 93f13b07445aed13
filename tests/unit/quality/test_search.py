"""Votes drive the search: what a planted preference likes best is found, and what may not be delivered is not."""

from itertools import product

import numpy as np
import pytest

from head3d.quality.picture_features import picture_embedding, picture_metrics
from head3d.quality.preference import features_of, fit_preference
from head3d.quality.search import search

AXES = {"light": ("even", "left", "right", "dim"), "wall": ("grey", "white", "black"), "tone": ("cool", "warm")}


def picture(choice: dict[str, str]) -> np.ndarray:
    """A drawn stand-in for a headshot: light, wall and tone as the choice says."""
    y, x = np.mgrid[0:64, 0:64] / 63.0
    light = {"even": 0.55 + 0 * x, "left": 0.8 - 0.5 * x, "right": 0.3 + 0.5 * x, "dim": 0.25 + 0 * x}[choice["light"]]
    wall = {"grey": 0.5, "white": 0.9, "black": 0.08}[choice["wall"]]
    head = (((x - 0.5) / 0.25) ** 2 + ((y - 0.45) / 0.33) ** 2 < 1)[..., None]
    tint = np.array([1.0, 0.78, 0.62]) if choice["tone"] == "warm" else np.array([0.85, 0.8, 0.85])
    return (np.where(head, light[..., None] * tint, wall) * 255).astype(np.uint8)


def features(choice: dict[str, str]) -> dict[str, float]:
    pixels = picture(choice)
    return features_of(picture_metrics(pixels), picture_embedding(pixels))


def liked(choice: dict[str, str]) -> float:
    """What the planted rater likes: light from the left, before black, warm."""
    return 2.0 * (choice["light"] == "left") + 1.5 * (choice["wall"] == "black") + 1.0 * (choice["tone"] == "warm")


ALL = [dict(zip(AXES, options, strict=True)) for options in product(*AXES.values())]


class TestSearch:
    @pytest.mark.parametrize("seed", range(3))
    def test_sixty_noisy_votes_lead_it_to_what_the_rater_likes(self, seed: int):
        draw = np.random.default_rng(seed)
        votes = []
        for _ in range(60):
            a, b = draw.choice(len(ALL), 2, replace=False)
            wins = liked(ALL[a]) > liked(ALL[b])
            votes.append((str(a), str(b), float(wins != (draw.random() < 0.1)), "ada"))
        model = fit_preference(votes, {str(i): features(one) for i, one in enumerate(ALL)}, axis="appeal")
        asked = []

        def worth(choice) -> float:
            asked.append(tuple(choice.values()))
            return model.reward(features(dict(choice)))

        best = search(AXES, worth, most=20)[0]
        assert liked(dict(best.choice)) >= sorted(map(liked, ALL))[-3]  # one of the best three of 24
        assert best.choice["light"] == "left"
        assert len(asked) == len(set(asked)) <= 20

    def test_nothing_better_is_left_beside_the_best(self):
        found = search(AXES, lambda choice: liked(dict(choice)), most=100)
        assert dict(found[0].choice) == {"light": "left", "wall": "black", "tone": "warm"}
        assert [one.reward for one in found] == sorted((one.reward for one in found), reverse=True)

    def test_what_the_gate_refuses_is_not_found(self):
        found = search(AXES, lambda choice: None if choice["wall"] == "black" else liked(dict(choice)), most=100)
        assert found and all(one.choice["wall"] != "black" for one in found)
        assert found[0].choice["light"] == "left"

    def test_no_more_is_drawn_than_allowed(self):
        asked = []
        search(AXES, lambda choice: asked.append(1) or 0.0, most=5)
        assert len(asked) == 5
