"""A trace as a person reads it, and as a program does."""

import base64

from services.ledger.shell.reading.tracing import Figure, Said
from shared.contracts.envelope import rfc3339
from shared.contracts.errors import Unreadable
from shared.contracts.journal import render_postings
from shared.contracts.money import Money, MoneyOnWire
from shared.contracts.topics import STRIPE_EVENTS
from shared.runtime.kafka import Record
from tallystick.events.show import instant
from tallystick.events.topic import event_of
from tallystick.trace.evidence import WARRANTS, Evidence, posting_of, sha256_of

Json = dict[str, object]


def name_of(figure: Figure) -> str:
    """An account as it is printed everywhere."""
    return f"{figure.account}[{figure.key}]" if figure.key is not None else figure.account


def figure(asked: Figure, amounts: list[Money], shown: int, limit: int) -> str:
    """What stands there, and how many entries follow."""
    sums = ", ".join(map(str, amounts)) or "nothing"
    behind = f"the newest {limit} entries" if shown == limit else f"all entries: {shown}"
    return f"{name_of(asked)}  {sums}  ({behind})"


def evidence(each: Evidence) -> str:
    """An entry and all that stands behind it."""
    told = each.told
    facts = [
        ("happened", f"{instant(told.effective_at)}, recorded {instant(told.recorded_at)}"),
        ("kind", told.kind + (f", reverses {told.reverses}" if told.reverses else "")),
        ("content", _holds(each.content_holds, f"digest {told.digest}")),
        ("chain", _holds(each.link_holds, f"{told.origin} entry {told.sequence}, {told.chain}")),
    ]
    if each.head is not None:
        facts.append(("head", _holds(each.head.holds, each.head.detail)))
    lines = [f"{told.reference}  (book {told.book})", *map(_fact, facts)]
    lines += [f"    {line}" for line in render_postings(map(posting_of, told.legs)).splitlines()]
    rule = each.rule
    lines.append(_fact(("rule", f"{rule.kind}, version {rule.version}  {rule.function}".rstrip())))
    lines += [f"    {line}" for line in rule.booking.splitlines()]
    if each.retold is not None:
        lines.append(_fact(("again", _holds(each.retold.holds, each.retold.detail))))
    return "\n".join(lines + list(map(_fact, _message(each))))


def _message(each: Evidence) -> list[tuple[str, str]]:
    told, record = each.told, each.record
    facts = [("message", f"{told.origin}@{told.offset}, {told.message_id}")]
    if record is None:
        return [*facts, ("bytes", f"NOT READ: {each.lacking}")]
    envelope = _attributes(record)
    event = event_of(record) if record.topic == STRIPE_EVENTS else None
    kind = f"{event.event_type}, " if event is not None and event.event_type else ""
    facts += [
        (
            "type",
            f"{kind}{envelope['type']} from {envelope['source']}, about {envelope['subject']}",
        ),
        ("appended", instant(record.appended_at)),
        ("bytes", f"{len(record.value)}, SHA-256 {sha256_of(record)}"),
    ]
    if each.proof is not None:
        facts.append(("proof", f"{each.proof.standing.value}: {each.proof.detail}"))
    else:
        facts.append(("proof", f"unsigned: {WARRANTS.get(record.topic, 'nobody signs it')}"))
    return facts


def said(each: Said) -> str:
    """What the ledger said of a message that caused no entry."""
    about = f" {each.reference}" if each.reference else ""
    return f"{each.outcome} ({each.reason}){about}: {each.subject}: {each.detail}"


def evidence_json(each: Evidence) -> Json:
    """The same as data; the message's bytes in base64, exactly."""
    told, record, proof = each.told, each.record, each.proof
    return {
        "reference": told.reference,
        "book": told.book,
        "kind": told.kind,
        "effective_at": rfc3339(told.effective_at),
        "recorded_at": rfc3339(told.recorded_at),
        "reverses": told.reverses,
        "description": told.description,
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
        "origin": told.origin,
        "sequence": told.sequence,
        "digest": told.digest,
        "digest_holds": each.content_holds,
        "previous": told.previous,
        "chain": told.chain,
        "chain_holds": each.link_holds,
        "head": None
        if each.head is None
        else {"holds": each.head.holds, "detail": each.head.detail},
        "rule": {
            "kind": each.rule.kind,
            "version": each.rule.version,
            "function": each.rule.function,
            "booking": each.rule.booking,
        },
        "retold": None
        if each.retold is None
        else {"holds": each.retold.holds, "detail": each.retold.detail},
        "message": {
            "position": f"{told.origin}@{told.offset}",
            "id": told.message_id,
            "lacking": each.lacking,
        }
        | ({} if record is None else _record_json(record)),
        "proof": None
        if proof is None
        else {
            "standing": proof.standing.value,
            "detail": proof.detail,
            "secret": proof.secret,
            "signed_at": proof.signed_at,
        },
        "sound": each.is_sound,
    }


def said_json(each: Said) -> Json:
    """The same as data."""
    return {
        "outcome": each.outcome,
        "reason": each.reason,
        "subject": each.subject,
        "detail": each.detail,
        "reference": each.reference,
        "book": each.book,
    }


def amounts_json(amounts: list[Money]) -> list[Json]:
    """Amounts as they are on topics."""
    return [MoneyOnWire.of(amount).model_dump() for amount in amounts]


def _record_json(record: Record) -> Json:
    return {
        "appended_at": rfc3339(record.appended_at),
        "sha256": sha256_of(record),
        "headers": {name: value.decode("utf-8", "replace") for name, value in record.headers},
        "body_b64": base64.b64encode(record.value).decode(),
    } | _attributes(record)


def _attributes(record: Record) -> Json:
    try:
        envelope = record.envelope()
    except Unreadable:
        return {"type": "?", "source": "?", "subject": "?"}
    return {"type": envelope.type, "source": envelope.source, "subject": envelope.subject}


def _fact(fact: tuple[str, str]) -> str:
    name, value = fact
    shown = "".join(c if c.isprintable() else "\ufffd" for c in value)
    return f"  {name:9} {shown}"


def _holds(holds: bool, what: str) -> str:
    return f"{'holds' if holds else 'DOES NOT HOLD'}: {what}"
