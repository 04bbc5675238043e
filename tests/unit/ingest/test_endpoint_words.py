"""Faults of an endpoints file, as the person who wrote it reads them."""

import tomllib

import pytest
from pydantic import ValidationError

from services.ingest.endpoint_words import in_words
from services.ingest.endpoints import EndpointsFile

MAIN = '[[endpoints]]\nname = "main"\nsecret_file = "main.secret"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "endpoints is missing"),
        ("endpoints = []", "it has no [[endpoints]] table"),
        (
            '[[endpoints]]\nname = "main"',
            "endpoint 'main': endpoint main: name one of secret_file and secret_env",
        ),
        (
            MAIN + '[[endpoints]]\nname = "thin"\nsecret = "whsec_hidden"',
            "endpoint 'thin', secret: a secret stands in a file or a variable of its own, never",
        ),
        (
            MAIN + '[[endpoints.secrets]]\nid = "a"\nkey = "b"',
            "endpoint 'main', secrets 1, key: there is no such word; there are id, file, env, from",
        ),
        (
            '[[endpoints]]\nname = "whsec_hidden"\nwhsec_hidden = 1',
            "endpoint number 1, …: there is",
        ),
        ('[[endpoints]]\nsecret_file = "a"', "endpoint number 1, name: name is missing"),
        (MAIN + 'kind = "other"', "endpoint 'main', kind: input should be 'account' or 'connect'"),
        ("nonsense = 1\n" + MAIN, "nonsense: there is no such word; there are endpoints"),
        (MAIN + MAIN, "endpoint named twice: main"),
    ],
)
def test_fault_is_told_by_the_endpoint_s_name_and_what_to_write(text: str, words: str) -> None:
    file = tomllib.loads(text)
    with pytest.raises(ValidationError) as refused:
        EndpointsFile.model_validate(file)
    said = in_words(refused.value, file)
    assert words in said
    assert "hidden" not in said
    assert "Tuple" not in said
