"""What was measured of pictures when they were made is known to the ranking."""

from pathlib import Path

import numpy as np

from head3d import store
from head3d.quality.preference import fit_preference
from head3d.quality.ranking import known_numbers, rank
from head3d.quality.ratings import append_rating, new_rating


def subject(folder: Path) -> dict[str, Path]:
    """Eight headshots that look alike, with landmarks ever further off; one of a set."""
    place, names = store.make_folder(folder / "headshots" / "soft"), [f"v{i}" for i in range(8)]
    for name in names:
        store.write_png(place / f"{name}.png", np.full((16, 16, 3), 90, np.uint8))
    verdicts = {
        name: {"identity": None, "numbers": {"landmarks": 0.01 * i, "lpips_photo": None}}
        for i, name in enumerate(names)
    }
    verdicts["v7"].pop("numbers")  # of an older head3d
    payload = {"headshots": {name: f"soft/{name}.png" for name in names}, "pictures": verdicts}
    store.write_json(folder / "headshots" / "headshots.json", payload, kind="head3d.headshots", version=1)
    rows = [{"file": "refused/a.png", "identity": 0.4, "level": "refused", "lpips_photo": 0.2}]
    made = store.make_folder(folder / "exports" / "sets" / "x")
    store.write_json(made / "numbers.json", {"pictures": rows}, kind="head3d.set_numbers", version=1)
    return {f"headshots/soft/{name}.png": place / f"{name}.png" for name in names}


def test_numbers_are_known_by_the_pictures_path(tmp_path: Path):
    subject(tmp_path)
    known = known_numbers(tmp_path)
    assert known["headshots/soft/v3.png"] == {"measured.landmarks": 0.03} and known["headshots/soft/v7.png"] == {}
    assert known["exports/sets/x/refused/a.png"] == {"measured.identity": 0.4, "measured.lpips_photo": 0.2}
    assert known_numbers(tmp_path / "nobody") == {}


def test_raters_who_go_by_likeness_are_understood_where_pictures_look_alike(tmp_path: Path):
    pictures = subject(tmp_path)
    for i in range(7):
        for j in range(i):
            items = [f"headshots/soft/v{i}.png", f"headshots/soft/v{j}.png"]
            vote = new_rating(rater="ada", kind="pairwise", axis="likeness", items=items, choice=1)
            append_rating(tmp_path / "ratings.jsonl", vote)
    found = rank(tmp_path, pictures, axis="likeness", weights={})
    order = [name for name, _ in found.rewards if "v7" not in name]
    assert order == sorted(order) and found.model is not None and found.model.held_out > 0.9


def test_what_is_missing_counts_as_average():
    features = {"a": {"x": 1.0, "y": 0.0}, "b": {"x": 0.0, "y": 1.0}, "c": {"y": 0.5}}
    pairs = [("a", "b", 1.0, "ada")] * 6 + [("a", "c", 1.0, "ada")] * 6
    model = fit_preference(pairs, features, axis="appeal")
    assert model.names == ("x", "y")
    assert model.mean.tolist() == [0.5, 0.5] and model.reward({}) == 0.0
