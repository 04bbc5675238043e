"""The key of tree heads: made for trying out, never for real money; and what the doctor says."""

from pathlib import Path
from typing import Final

import pytest

from sandbox.stack import StackSettings
from services.ledger.shell.proof.signing import SigningKey
from shared.contracts.tree_heads import key_id_of
from tallystick.cli.problems import Problem
from tallystick.doctor import Finding, Verdict
from tallystick.doctor_heads import head_findings
from tallystick.local_key import (
    FILE_VARIABLE,
    VARIABLE,
    ensure_key,
    key_file,
    key_variables,
    write_key,
)

KEY: Final = SigningKey.of("ed25519-secret:" + "7f" * 32)
LIVE: Final = (
    '[[books]]\nname = "main"\nmode = "live"\ntime_zone = "UTC"\nreporting_currency = "usd"\n'
)


def stack(folder: Path) -> StackSettings:
    return StackSettings.model_validate({"dir": folder})


def said(folder: Path, environment: dict[str, str], *, is_live: bool) -> list[Finding]:
    return list(head_findings(stack(folder), environment, is_live=is_live))


def test_key_is_made_once_for_trying_out_and_found_again(tmp_path: Path) -> None:
    here = stack(tmp_path / "new")
    assert key_variables(here, {}) == {}
    ensure_key(here, {})
    made = key_file(here).read_text()
    assert SigningKey.of(made)
    assert key_file(here).stat().st_mode & 0o777 == 0o600
    ensure_key(here, {})
    assert key_file(here).read_text() == made
    assert key_variables(here, {}) == {FILE_VARIABLE: str(key_file(here))}


@pytest.mark.parametrize("variable", [VARIABLE, FILE_VARIABLE])
def test_key_that_is_given_leaves_none_to_be_made_or_used(tmp_path: Path, variable: str) -> None:
    here = stack(tmp_path)
    given = {variable: "x"}
    ensure_key(here, given)
    assert not key_file(here).exists()
    ensure_key(here, {})
    assert key_variables(here, given) == {}


def test_key_is_not_made_where_there_is_real_money(tmp_path: Path) -> None:
    books = tmp_path / "books.toml"
    books.write_text(LIVE)
    ensure_key(stack(tmp_path), {"TALLYSTICK_BOOKS_FILE": str(books)})
    assert not key_file(stack(tmp_path)).exists()


def test_key_is_never_written_over(tmp_path: Path) -> None:
    write_key(tmp_path / "key", KEY.text)
    with pytest.raises(Problem, match="is there already"):
        write_key(tmp_path / "key", SigningKey.new().text)
    with pytest.raises(Problem, match="cannot be written"):
        write_key(tmp_path / "nowhere" / "key", KEY.text)
    assert (tmp_path / "key").read_text().strip() == KEY.text


def test_doctor_warns_of_unsigned_heads_where_there_is_real_money(tmp_path: Path) -> None:
    (live,) = said(tmp_path, {}, is_live=True)
    assert (live.verdict, "unsigned" in live.fact) == (Verdict.WARNING, True)
    (trying,) = said(tmp_path, {}, is_live=False)
    assert trying.verdict is Verdict.GOOD


def test_doctor_names_the_key_and_who_else_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_key(path, KEY.text)
    (good,) = said(tmp_path, {FILE_VARIABLE: str(path)}, is_live=True)
    assert good.fact == f"signed by key {key_id_of(KEY.public_key)}"
    path.chmod(0o644)
    warned, _ = said(tmp_path, {FILE_VARIABLE: str(path)}, is_live=True)
    assert "is open to others" in warned.fact


@pytest.mark.parametrize(
    "environment",
    [{VARIABLE: "x"}, {"TALLYSTICK_LEDGER_TREE_HEAD_PUBLIC_KEYS": "x"}],
)
def test_doctor_says_of_a_key_that_is_none_that_it_is_bad(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (bad,) = said(tmp_path, environment, is_live=False)
    assert bad.verdict is Verdict.BAD
