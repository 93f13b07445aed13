"""Tokens: shown once, kept as hashes, compared in constant time, taken back while the server runs."""

import hmac
import json
from pathlib import Path

import pytest

from head3d.errors import ConfigError, CorruptPart
from head3d.serve.auth import Tokens, new_token, read_entries
from head3d.serve.settings import Quota


def test_a_token_is_its_tenants_and_the_file_does_not_have_it(tmp_path: Path):
    path = tmp_path / "tokens.json"
    ada, bob = new_token(path, "ada"), new_token(path, "bob", quota={"subjects": 3})
    tokens = Tokens(path, quota=Quota(subjects=7))
    found = tokens.tenant(ada)
    assert found is not None and found.name == "ada" and found.quota.subjects == 7
    other = tokens.tenant(bob)
    assert other is not None and other.quota == Quota(subjects=3)
    assert ada not in path.read_text() and path.stat().st_mode & 0o077 == 0
    for wrong in ("", "h3d_", ada[:-1], ada + "x", ada.upper(), "é" * 40, "\udcff"):
        assert tokens.tenant(wrong) is None


def test_a_tenant_may_have_several_and_lose_one(tmp_path: Path):
    path = tmp_path / "tokens.json"
    first, second = new_token(path, "ada"), new_token(path, "ada")
    tokens = Tokens(path, quota=Quota())
    assert tokens.tenant(first) == tokens.tenant(second) is not None
    content = json.loads(path.read_text())
    del content["tokens"][0]
    path.write_text(json.dumps(content))
    assert tokens.tenant(first) is None and tokens.tenant(second) is not None


def test_every_entry_is_compared_whoever_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "tokens.json"
    made = [new_token(path, f"tenant-{index}") for index in range(5)]
    compared = []
    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(a) or compare(a, b))
    tokens = Tokens(path, quota=Quota())
    for token in (made[0], made[-1], "wrong"):
        compared.clear()
        tokens.tenant(token)
        assert len(compared) == 5


@pytest.mark.parametrize("name", ["", "Ada", "../ada", "a b", "x" * 41])
def test_names_that_are_no_folders(tmp_path: Path, name: str):
    with pytest.raises(ConfigError):
        new_token(tmp_path / "tokens.json", name)


def test_an_edited_file_is_told_and_the_tokens_of_before_stay(tmp_path: Path):
    path = tmp_path / "tokens.json"
    token = new_token(path, "ada")
    tokens = Tokens(path, quota=Quota())
    assert tokens.tenant(token) is not None
    path.write_text(path.read_text()[:-30])
    with pytest.raises(CorruptPart):
        read_entries(path)
    assert tokens.tenant(token) is not None
