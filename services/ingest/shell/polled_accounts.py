"""The accounts that are polled, from the settings: one key, or a file of accounts."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from services.ingest.config import IngestSettings
from services.ingest.polled import (
    AccountData,
    AccountsFile,
    Connected,
    PolledAccount,
    each_once,
    polled_account,
)
from shared.contracts.books import BookMap
from shared.runtime.settings import PREFIX, SettingsInvalid, variables


def polled_accounts(
    settings: IngestSettings, books: BookMap, environment: Mapping[str, str] | None = None
) -> tuple[PolledAccount, ...]:
    """The accounts whose API is asked, their keys read; none where no key is told.

    ``environment`` is where keys named as variables are; the process's own when left out.

    Raises:
        SettingsInvalid: A key is lacking where one is told, or does not fit its mode or the books.
    """
    file = settings.ingest_accounts_file
    if file is None:
        if not settings.ingest_stripe_api_key.get_secret_value():
            _check_no_key_is_meant(settings, variables(environment))
            return ()
        return (_only(settings, books),)
    _check_alone(settings)
    try:
        given = variables(environment)
        return each_once(
            polled_account(data, _key_of(data, file.parent, given), books)
            for data in _account_data(file)
        )
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"{PREFIX}INGEST_…: {error}") from None


def _check_no_key_is_meant(settings: IngestSettings, environment: Mapping[str, str]) -> None:
    """See that a key which is to be there is not merely empty: nobody would be asked, in silence.

    Raises:
        SettingsInvalid: A file of the key is named, or accounts that only a key can ask for.
    """
    name = f"{PREFIX}INGEST_STRIPE_API_KEY"
    if file := environment.get(f"{name}_FILE"):
        raise SettingsInvalid(f"{name}_FILE: {file} is empty")
    if settings.ingest_connected_accounts:
        raise SettingsInvalid(f"{PREFIX}INGEST_CONNECTED_ACCOUNTS: set, but {name} is not")


def _check_alone(settings: IngestSettings) -> None:
    """See that what the file says is not said a second time beside it."""
    for name, is_set in (
        ("STRIPE_API_KEY", settings.ingest_stripe_api_key.get_secret_value()),
        ("CONNECTED_ACCOUNTS", settings.ingest_connected_accounts),
    ):
        if is_set:
            raise SettingsInvalid(
                f"{PREFIX}INGEST_ACCOUNTS_FILE: {PREFIX}INGEST_{name} is set as well"
            )


def _only(settings: IngestSettings, books: BookMap) -> PolledAccount:
    whose = settings.polled(books)
    return PolledAccount(
        whose,
        settings.api_mode(),
        settings.ingest_stripe_api_key,
        Connected.of(settings.ingest_connected_accounts),
    )


def _account_data(path: Path) -> tuple[AccountData, ...]:
    try:
        return AccountsFile.model_validate(tomllib.loads(path.read_text("utf-8"))).accounts
    except ValidationError as error:
        # Without the input: someone may have written a key where its file's name belongs.
        told = error.errors(include_input=False, include_url=False)
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in told)
        raise ValueError(f"{path}: {said}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _key_of(data: AccountData, folder: Path, environment: Mapping[str, str]) -> str:
    if data.api_key_file is not None:
        return (folder / data.api_key_file).read_text("utf-8").strip()
    text = environment.get(data.api_key_env or "", "").strip()
    if not text:
        raise ValueError(f"account {data.name}: the variable {data.api_key_env} is not set")
    return text
