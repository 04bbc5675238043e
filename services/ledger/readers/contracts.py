"""Our own messages (bank observations, matches, commands) as their contracts read them."""

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from services.ledger.readers.exact_json import JsonObject, parse_object
from shared.contracts.errors import AmountOutOfRange, Unreadable

T = TypeVar("T")
_MONEY_FIELDS = frozenset({"amount", "previous", "available", "share"})
_SHOWN_MAX = 3


def read(adapter: TypeAdapter[T], data: bytes) -> T:
    """The message that the bytes say.

    Raises:
        AmountOutOfRange: Everything is right but for what stands where money should.
        Unreadable: Not the contract's form.
    """
    fields = parse_object(data)
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        raise _refusal(fields, error) from None


def _refusal(fields: JsonObject, error: ValidationError) -> AmountOutOfRange | Unreadable:
    mistakes = error.errors(include_url=False, include_context=False, include_input=True)
    if all(_MONEY_FIELDS & set(map(str, mistake["loc"])) for mistake in mistakes):
        first = mistakes[0]
        where = ".".join(str(step) for step in first["loc"])
        return AmountOutOfRange(first["input"], f"stands in {where}: {first['msg']}")
    said = [
        f"{'.'.join(str(step) for step in mistake['loc']) or 'value'}: {mistake['msg']}"
        for mistake in mistakes[:_SHOWN_MAX]
    ]
    kind = str(fields.get("kind", ""))[:40]
    return Unreadable(f"not a {kind or 'known'} message: {'; '.join(said)}"[:500])
