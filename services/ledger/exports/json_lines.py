"""JSON Lines: a header, each entry as ``ledger.entries`` tells it, a trailer, a seal.

Nothing is lost in it, and ``verify.py`` proves it offline.
"""

from collections.abc import Mapping

import orjson

from services.ledger.exports.journal import FORM, About, Head, Json, Tally, Told
from shared.contracts.envelope import rfc3339


class JsonLines:
    """Writes JSON Lines; amounts are minor units as text."""

    def begin(self, about: About) -> str:
        """The header line."""
        return _line(
            {
                "line": "header",
                "form": FORM,
                "made_at": rfc3339(about.made_at),
                "books": list(about.books),
                "selection": about.selection.told(),
                "whole": about.selection.is_whole,
                "starts": _heads(about.starts),
                "journal": _heads(about.heads),
                "tree_heads": [head.model_dump(mode="json") for head in about.tree_heads],
            }
        )

    def entry(self, told: Told) -> str:
        """One line of an entry."""
        further: Json = {"previous": told.previous} if told.previous else {}
        if told.reported_day is not None:
            further["reported_day"] = told.reported_day.isoformat()
        return _line(
            {
                "line": "entry",
                "book": told.book,
                "reference": told.reference,
                "kind": told.kind,
                "effective_at": rfc3339(told.effective_at),
                "recorded_at": rfc3339(told.recorded_at),
                "postings": [
                    {
                        "account": leg.account,
                        "key": leg.key,
                        "direction": leg.direction,
                        "amount": {
                            "minor": str(leg.minor),
                            "currency": leg.currency,
                            "exponent": leg.exponent,
                        },
                    }
                    for leg in told.legs
                ],
                "description": told.description,
                "reverses": told.reverses,
                "rules_version": told.rules_version,
                "caused_by": {
                    "topic": told.topic,
                    "partition": told.partition,
                    "offset": told.offset,
                },
                "message_id": told.message_id,
                "origin": told.origin,
                "sequence": told.sequence,
                "digest": told.digest,
                "chain": told.chain,
                **further,
            }
        )

    def end(self, tally: Tally) -> str:
        """The trailer line."""
        return _line({"line": "trailer"} | tally.trailer())

    def seal(self, sha256: str) -> str:
        """The last line."""
        return _line({"line": "seal", "sha256": sha256})


def _heads(heads: Mapping[str, Head]) -> Json:
    return {
        name: {"sequence": head.sequence, "chain": head.chain}
        for name, head in sorted(heads.items())
    }


def _line(value: Mapping[str, object]) -> str:
    return orjson.dumps(value).decode() + "\n"
