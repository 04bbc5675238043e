"""Settings of ingest: secrets from files and variables, and what is refused at the start."""

from pathlib import Path

import pytest

from services.ingest.config import FailpointPlace, IngestSettings, parsed_failpoint
from shared.contracts.books import BookData, BookMap, Mode
from shared.runtime.settings import SettingsInvalid

BOOKS = BookMap(books=(BookData(mode=Mode.TEST, stripe_accounts=("acct_1",)),))


def settings(**values: str) -> IngestSettings:
    return IngestSettings.load(
        {f"TALLYSTICK_INGEST_{name.upper()}": value for name, value in values.items()}
    )


def test_one_secret_makes_the_endpoint_main() -> None:
    told = settings(webhook_secret="whsec_1\n", stripe_account="acct_1")
    (endpoint,) = told.endpoints(BOOKS).values()
    assert (endpoint.name, endpoint.account, endpoint.mode) == ("main", "acct_1", Mode.TEST)
    assert [(s.name, s.text) for s in endpoint.secrets] == [("current", "whsec_1")]


def test_secret_that_is_rotated_stands_beside_the_new_one(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("whsec_new\n")
    told = settings(webhook_secret_file=str(tmp_path / "new"), webhook_secret_previous="whsec_old")
    (endpoint,) = told.endpoints(BookMap()).values()
    assert [(s.name, s.text) for s in endpoint.secrets] == [
        ("current", "whsec_new"),
        ("previous", "whsec_old"),
    ]


def test_older_secret_that_is_empty_waits_for_the_next_rotation(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("\n")
    told = settings(webhook_secret="whsec_new", webhook_secret_previous_file=str(tmp_path / "old"))
    (endpoint,) = told.endpoints(BookMap()).values()
    assert [s.name for s in endpoint.secrets] == ["current"]


@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_blank_secret_is_refused(blank: str) -> None:
    with pytest.raises(SettingsInvalid, match="signing secret 'current' is empty"):
        settings(webhook_secret=blank).endpoints(BookMap())


def test_endpoints_come_from_a_file_with_secrets_beside_it_and_in_variables(
    tmp_path: Path,
) -> None:
    (tmp_path / "main.secret").write_text("whsec_main\n")
    (tmp_path / "endpoints.toml").write_text(
        """
        [[endpoints]]
        name = "main"
        mode = "test"
        account = "acct_1"
        secret_file = "main.secret"

        [[endpoints]]
        name = "connect"
        kind = "connect"
        secret_env = "CONNECT_SECRET"
        previous_secret_env = "CONNECT_SECRET_OLD"
        """
    )
    told = settings(endpoints_file=str(tmp_path / "endpoints.toml"))
    environment = {"CONNECT_SECRET": "whsec_c", "CONNECT_SECRET_OLD": "whsec_o"}
    found = told.endpoints(BOOKS, environment)
    assert [s.text for s in found["main"].secrets] == ["whsec_main"]
    assert [s.text for s in found["connect"].secrets] == ["whsec_c", "whsec_o"]


def test_no_secret_at_all_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="no signing secret"):
        settings().endpoints(BOOKS)


def test_file_and_secret_together_are_refused(tmp_path: Path) -> None:
    told = settings(endpoints_file=str(tmp_path / "x"), webhook_secret="whsec_1")
    with pytest.raises(SettingsInvalid, match="is set as well"):
        told.endpoints(BOOKS)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "endpoints is missing"),
        ("endpoints = []", "it has no"),
        ('[[endpoints]]\nname = "a"\nsecret = "whsec_hidden"', "of its own, never here"),
        ('[[endpoints]]\nname = "a"\nsecret_env = "NOT_SET"', "NOT_SET is not set"),
        ('[[endpoints]]\nname = "a"\nsecret_file = "nowhere"', "No such file"),
        ("[[endpoints", "endpoints.toml"),
    ],
)
def test_endpoints_file_that_does_not_fit_is_refused_without_showing_what_it_holds(
    text: str, word: str, tmp_path: Path
) -> None:
    path = tmp_path / "endpoints.toml"
    path.write_text(text)
    with pytest.raises(SettingsInvalid, match=word) as refused:
        settings(endpoints_file=str(path)).endpoints(BookMap(), {})
    assert "whsec_hidden" not in str(refused.value)


def test_settings_show_no_secret() -> None:
    told = settings(webhook_secret="whsec_hidden", stripe_api_key="rk_test_hidden")
    assert "hidden" not in repr(told)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("before_send", (FailpointPlace.BEFORE_SEND, 1)),
        ("after_ack:40", (FailpointPlace.AFTER_ACK, 40)),
    ],
)
def test_failpoint_is_a_place_and_a_count(text: str, parsed: tuple[FailpointPlace, int]) -> None:
    assert parsed_failpoint(text) == parsed


@pytest.mark.parametrize("text", ["nowhere", "after_ack:", "after_ack:0", "after_ack:x", ":1"])
def test_failpoint_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(SettingsInvalid, match="FAILPOINT"):
        settings(failpoint=text)


def test_poller_has_the_mode_of_its_key_and_the_book_of_its_account() -> None:
    told = settings(stripe_api_key="rk_test_1", stripe_account="acct_1").polled(BOOKS)
    assert (told.mode, told.account, told.book) == (Mode.TEST, "acct_1", "main")


def test_poller_whose_account_is_in_no_book_is_refused() -> None:
    told = settings(stripe_api_key="rk_live_1", stripe_account="acct_1")
    with pytest.raises(SettingsInvalid, match="no book names the Stripe account acct_1"):
        told.polled(BOOKS)
