"""Picks on disk: each change is there when it is answered, and can be taken back."""

from pathlib import Path

import pytest

from head3d.errors import ConfigError
from head3d.looks import Look, read_looks
from head3d.viewer.poses import PickBook  # pyright: ignore[reportMissingImports]


@pytest.fixture
def book(tmp_path: Path) -> PickBook:
    return PickBook(tmp_path / "views")


def names(book: PickBook) -> list[str]:
    return [pick.look.name for pick in book.all()]


def test_a_pick_is_a_file_that_render_reads(book: PickBook):
    look = Look(name="mine", yaw_deg=12.5, light="split", units={"jawOpen": 0.2}, crop="square")
    pick = book.keep(look)
    assert read_looks(book.path(pick.id)) == [look]
    assert PickBook(book.folder).all() == [pick]


def test_picks_move_and_come_back_one_change_at_a_time(book: PickBook):
    ids = [book.keep(Look(name=name)).id for name in ("a", "b", "c")]
    book.reorder([ids[2], ids[0]])
    assert names(book) == ["c", "a", "b"]
    book.change(ids[0], Look(name="A"))
    book.delete(ids[1])
    assert names(book) == ["c", "A"]
    again = PickBook(book.folder)  # undo outlives the server
    assert [again.undo() and names(again) for _ in range(3)] == [["c", "A", "b"], ["c", "a", "b"], ["a", "b", "c"]]
    assert [again.undo() for _ in range(4)] == [True, True, True, False] and names(again) == []


def test_damaged_and_foreign_files_are_left_alone(book: PickBook):
    pick = book.keep(Look(name="good"))
    (book.folder / "views.json").write_text("{}")
    (book.folder / "0123456789ab.json").write_text('{"format": "head3d.look", "version": 1, "order": 1, "look": {"yaw')
    assert names(book) == ["good"]
    for ident in ("views", "../x", pick.id[:-1]):
        with pytest.raises(ConfigError):
            book.delete(ident)
    assert (book.folder / "views.json").exists()
