"""Votes survive a kill, and what raters like is found again from sixty noisy ones."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from head3d.errors import ConfigError
from head3d.quality.picture_features import picture_embedding, picture_metrics
from head3d.quality.preference import (
    features_of,
    fit_preference,
    read_model,
    wilson,
    write_model,
)
from head3d.quality.ratings import AXES, append_rating, new_rating, pairs_of, read_ratings

FEATURES, PICTURES, VOTES = 8, 40, 60


def planted(seed: int, *, wrong: float = 0.1, votes: int = VOTES):
    """Pictures with random features, a hidden taste, votes of which some are wrong, and clear-cut pairs held out."""
    draw = np.random.default_rng(seed)
    taste = draw.normal(size=FEATURES) * (np.arange(FEATURES) < 3)
    table = {f"p{i}.png": draw.normal(size=FEATURES) for i in range(PICTURES)}
    features = {name: features_of({f"m{i}": value for i, value in enumerate(row)}) for name, row in table.items()}
    names = sorted(table)

    def vote(noisy: bool):
        a, b = draw.choice(names, 2, replace=False)
        better = (table[a] - table[b]) @ taste > 0
        return str(a), str(b), float(better != (noisy and draw.random() < wrong)), "ada"

    return features, [vote(True) for _ in range(votes)], [vote(False) for _ in range(500)]


def agreement(model, features, pairs) -> float:
    return float(
        np.mean([(model.reward(features[a]) > model.reward(features[b])) == (y > 0.5) for a, b, y, _ in pairs])
    )


class TestPreference:
    def test_a_planted_taste_is_recovered_from_sixty_noisy_votes(self):
        found = []
        for seed in range(10):
            features, votes, unseen = planted(seed)
            found.append(agreement(fit_preference(votes, features, axis="appeal"), features, unseen))
        assert np.mean(found) >= 0.85 and min(found) >= 0.78

    def test_held_out_share_is_that_of_unseen_votes_and_its_interval_holds_it(self):
        features, votes, _ = planted(3, votes=300)
        model = fit_preference(votes, features, axis="appeal")
        _, fresh, _ = planted(3, votes=2000)
        unseen = agreement(model, features, fresh[300:])
        assert model.interval[0] - 0.02 <= unseen <= model.interval[1] + 0.02
        assert model.interval[0] < model.held_out < model.interval[1]

    def test_votes_by_chance_foretell_nothing(self):
        features, votes, _ = planted(1, wrong=0.5, votes=200)
        model = fit_preference(votes, features, axis="appeal")
        assert model.interval[0] < 0.56 and np.abs(model.weights).max() < 0.6

    def test_exchanging_the_pictures_of_every_pair_changes_nothing(self):
        features, votes, _ = planted(2)
        turned = [(b, a, 1 - y, rater) for a, b, y, rater in votes]
        first, second = (fit_preference(one, features, axis="appeal") for one in (votes, turned))
        assert np.allclose(first.weights, second.weights, atol=1e-6)

    def test_a_rater_of_the_trade_outweighs_others(self):
        features = {"a": {"x": 0.0}, "b": {"x": 1.0}, "c": {"x": 2.0}}
        likes, dislikes = ("a", "b", 0.0), ("a", "b", 1.0)
        votes = [(*likes, "eve")] * 6 + [("b", "c", 0.0, "eve")] * 6
        votes += [(*dislikes, "pro")] * 4 + [("b", "c", 1.0, "pro")] * 4
        plain = fit_preference(votes, features, axis="appeal")
        weighed = fit_preference(votes, features, axis="appeal", rater_weights={"pro": 4.0})
        assert plain.ranked(features) == ["c", "b", "a"] and weighed.ranked(features) == ["a", "b", "c"]

    def test_a_model_comes_back_from_its_file(self, tmp_path: Path):
        features, votes, _ = planted(4)
        model = fit_preference(votes, features, axis="likeness")
        write_model(tmp_path / "preference.json", model)
        back = read_model(tmp_path / "preference.json")
        assert back.ranked(features) == model.ranked(features) and back.names == model.names

    def test_a_missing_feature_counts_as_average(self):
        features, votes, _ = planted(5)
        model = fit_preference(votes, features, axis="likeness")
        assert model.reward({}) == 0.0

    def test_too_few_votes_are_told(self):
        features, votes, _ = planted(6)
        with pytest.raises(ConfigError, match="7 votes on likeness"):
            fit_preference(votes[:7], features, axis="likeness")


class TestWilson:
    def test_published_values(self):
        # Newcombe 1998 (Statistics in Medicine 17, table I), method 3: 81/263, 15/148, 0/20
        for successes, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
            assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-4)
        assert wilson(0, 0) == (0.0, 1.0)


def rating(first: str = "a.png", second: str = "b.png", choice: int | None = 0, rater: str = "ada"):
    return new_rating(rater=rater, kind="pairwise", axis="likeness", items=[first, second], choice=choice)


class TestRatings:
    def test_votes_come_back_in_order(self, tmp_path: Path):
        path = tmp_path / "me" / "ratings.jsonl"
        given = [rating(choice=choice, rater="Zoë") for choice in (0, 1, None)]
        given.append(new_rating(rater="b", kind="stars", axis="appeal", items=["a.png"], choice=5))
        for one in given:
            append_rating(path, one)
        assert read_ratings(path) == (given, 0)
        assert set(json.loads(path.read_text().splitlines()[0])) == {"time", "rater", "kind", "axis", "items", "choice"}

    def test_a_line_cut_short_spoils_no_other(self, tmp_path: Path):
        path = tmp_path / "ratings.jsonl"
        append_rating(path, rating())
        path.write_bytes(path.read_bytes() + b'{"time": "2026-')
        append_rating(path, rating(choice=1))
        kept, spoiled = read_ratings(path)
        assert [one.choice for one in kept] == [0, 1] and spoiled == 1

    def test_every_vote_that_was_confirmed_survives_kill_9(self, tmp_path: Path):
        path = tmp_path / "ratings.jsonl"
        code = (
            "import sys\nfrom pathlib import Path\nfrom head3d.quality.ratings import append_rating, new_rating\n"
            "for i in range(10**6):\n"
            "    vote = new_rating(rater=str(i), kind='pairwise', axis='appeal', items=['a', 'b'], choice=0)\n"
            "    append_rating(Path(sys.argv[1]), vote)\n"
            "    print(i, flush=True)\n"
        )
        child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for _ in range(30):
            child.stdout.readline()
        time.sleep(0.02)
        os.kill(child.pid, signal.SIGKILL)
        confirmed = [line for line in child.stdout.read().split("\n") if line]
        child.wait()
        child.stdout.close()
        kept, spoiled = read_ratings(path)
        last = int(confirmed[-1]) if confirmed else 29
        assert [one.rater for one in kept[: last + 1]] == [str(i) for i in range(last + 1)] and spoiled <= 1

    @pytest.mark.parametrize(
        "change",
        [
            {"kind": "pairwise", "items": ["a", "a"]},
            {"kind": "pairwise", "choice": 2},
            {"kind": "stars", "items": ["a"], "choice": 6},
            {"kind": "stars", "items": ["a"], "choice": None},
            {"axis": "beauty"},
        ],
    )
    def test_what_is_no_vote_is_refused_and_not_read(self, change: dict, tmp_path: Path):
        fields = {"rater": "a", "kind": "pairwise", "axis": "appeal", "items": ["a", "b"], "choice": 0} | change
        with pytest.raises(ConfigError, match="no rating"):
            new_rating(**fields)
        (tmp_path / "r.jsonl").write_text(json.dumps({"time": "x", **fields}) + "\n[]\n3\n")
        assert read_ratings(tmp_path / "r.jsonl") == ([], 3)

    def test_stars_are_comparisons_and_the_last_counts(self):
        def stars(item: str, choice: int):
            return new_rating(rater="ada", kind="stars", axis="appeal", items=[item], choice=choice)

        votes = [stars("a", 1), stars("b", 3), stars("c", 3), stars("a", 5), rating()]
        assert pairs_of(votes, "appeal") == [("a", "b", 1.0, "ada"), ("a", "c", 1.0, "ada")]
        assert [len(pairs_of(votes, axis)) for axis in AXES] == [1, 0, 2]


class TestPictureFeatures:
    def test_light_contrast_warmth_and_sharpness_are_what_they_say(self):
        draw = np.random.default_rng(0)
        grey = np.full((200, 200, 3), 120, np.uint8)
        light, warm = grey + 60, grey + np.array([40, 0, 0], np.uint8) - np.array([0, 0, 40], np.uint8)
        rough = (grey + draw.integers(-40, 40, grey.shape)).astype(np.uint8)
        plain, lighter, warmer, rougher = (picture_metrics(one) for one in (grey, light, warm, rough))
        assert lighter["face.lightness"] > plain["face.lightness"] + 15
        assert warmer["picture.warmth"] > plain["picture.warmth"] + 10
        assert rougher["face.sharpness"] > plain["face.sharpness"] + 1
        assert np.allclose(picture_embedding(grey)[1::3], 0, atol=1e-3)

    def test_size_changes_little(self):
        y, x = np.mgrid[:400, :400]
        picture = np.stack([x // 2, y // 2, (x + y) // 4], -1).astype(np.uint8)
        small = picture[::2, ::2]
        assert np.abs(picture_embedding(picture) - picture_embedding(small)).max() < 0.05
