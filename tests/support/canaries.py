"""Canaries for tests: secrets and personal data to put everywhere, and the search for them."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.runtime import age
from tests.support.ingest import HOOK, event_body, signed

MARK: Final = secrets.token_hex(8)
MAIN_SECRET: Final = f"whsec_main{MARK}"
OTHER_SECRET: Final = f"whsec_other{MARK}"
# Not ours: somebody else's, who sends it where it does not belong.
STRAY_SECRET: Final = f"whsec_stray{MARK}"
STRAY_KEY: Final = f"sk_live_stray{MARK}"
API_KEY: Final = f"rk_test_good{MARK}"
LIVE_KEY: Final = f"sk_live_refused{MARK}"
ROLE: Final = f"canary_{MARK}"
PASSWORD: Final = f"hunter2{MARK}"
KAFKA_PASSWORD: Final = f"hunter3{MARK}"
PAN: Final = f"4{secrets.randbelow(10**15):015d}"
EMAIL: Final = f"ada.{MARK}@example.org"
PERSONAL: Final = (PAN, EMAIL)
IDENTITY: Final = age.new_identity()
SECRETS: Final = (
    MAIN_SECRET,
    OTHER_SECRET,
    STRAY_SECRET,
    STRAY_KEY,
    API_KEY,
    LIVE_KEY,
    PASSWORD,
    KAFKA_PASSWORD,
    age.identity_text(IDENTITY),
)


@dataclass
class Seen:
    """All that came out somewhere, by where; topics and tables are read at the end."""

    texts: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def take(self, where: str, text: str | bytes) -> None:
        """Keep what came out."""
        content = text.encode() if isinstance(text, str) else text
        self.texts[where] = self.texts.get(where, b"") + content

    def holding(self, canaries: Iterable[str], *, but: tuple[str, ...] = ()) -> list[str]:
        """Where one of them was found; places that begin as told are left out."""
        return [
            f"{canary} in {where}"
            for where, text in self.texts.items()
            if not where.startswith(but)
            for canary in canaries
            if canary.encode() in text
        ]


class LoudStripe:
    """A Stripe that repeats in its errors whatever it was asked, and tells of one payment."""

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self.answer)])

    async def answer(self, request: Request) -> Response:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        path = request.url.path
        if key != API_KEY:
            return _error(401, f"Invalid API Key provided: {key}; ask {EMAIL}")
        if path == "/v1/disputes":
            return _error(403, f"The key {key} may not see {PAN}")
        if path == "/v1/balance":
            headers = {"Date": formatdate(usegmt=True)}
            balance: dict[str, object] = {"object": "balance", "livemode": False, "available": []}
            return JSONResponse(balance, headers=headers)
        items = [_payment()] if path == "/v1/balance_transactions" else []
        return JSONResponse({"object": "list", "data": items, "has_more": False, "url": path})


def _error(status: int, message: str) -> Response:
    error = {"type": "invalid_request_error", "message": message, "code": EMAIL, "param": PAN}
    return JSONResponse({"error": error}, status, headers={"Request-Id": "req_1"})


def _payment() -> dict[str, object]:
    return {
        "id": f"txn_{MARK}",
        "object": "balance_transaction",
        "amount": 1000,
        "created": 1_795_000_000,
        "currency": "usd",
        "description": f"{EMAIL} paid with {PAN}",
        "fee": 0,
        "fee_details": [],
        "net": 1000,
        "reporting_category": "charge",
        "source": None,
        "status": "available",
        "type": "payment",
    }


@dataclass(frozen=True)
class Place:
    """The settings under test: one encrypted file, an endpoints file, a folder of verdicts."""

    folder: Path
    kafka: str
    dsn: str

    def secrets_file(self, name: str, **values: str) -> dict[str, str]:
        """The variables that tell of an encrypted file with these values."""
        text = "".join(f"{key}={value}\n" for key, value in values.items())
        file, identity = self.folder / f"{name}.age", self.folder / "identity"
        file.write_bytes(age.encrypted(text.encode(), [age.recipient_of(IDENTITY)]))
        # Open to others: that is warned of in the log, and must be so without a word of it.
        identity.write_text(age.identity_text(IDENTITY))
        identity.chmod(0o644)
        return {
            "TALLYSTICK_SECRETS_FILE": str(file),
            "TALLYSTICK_SECRETS_IDENTITY_FILE": str(identity),
        }

    def common(self, form: str) -> dict[str, str]:
        return {
            "TALLYSTICK_KAFKA_BOOTSTRAP": self.kafka,
            "TALLYSTICK_LOG_LEVEL": "debug",
            "TALLYSTICK_LOG_FORMAT": form,
        }

    def door(self, port: int, *, form: str = "json", **settings: str) -> dict[str, str]:
        """A door of two endpoints, one secret in the encrypted file and one in a plain one."""
        (self.folder / "other.secret").write_text(OTHER_SECRET)
        endpoints = self.folder / "endpoints.toml"
        endpoints.write_text(
            '[[endpoints]]\nname = "main"\nmode = "test"\nsecret_env = "MAIN_SECRET"\n'
            '[[endpoints]]\nname = "other"\nmode = "test"\nsecret_file = "other.secret"\n'
        )
        own = {
            "DOOR_PORT": str(port),
            "ENDPOINTS_FILE": str(endpoints),
            "ENDPOINTS_LOOK_SECONDS": "0.1",
            "VERDICTS_DIR": str(self.folder / "verdicts"),
        }
        told = {f"TALLYSTICK_INGEST_{k.upper()}": v for k, v in (own | settings).items()}
        held = {"MAIN_SECRET": MAIN_SECRET, "TALLYSTICK_KAFKA_SASL_PASSWORD": KAFKA_PASSWORD}
        return self.common(form) | self.secrets_file("door", **held) | told

    def poller(self, port: int, base: str, key: str, *, dsn: str = "") -> dict[str, str]:
        """A poller whose key and database stand in the encrypted file."""
        held = {
            "TALLYSTICK_INGEST_STRIPE_API_KEY": key,
            "TALLYSTICK_POSTGRES_DSN": dsn or self.dsn,
        }
        return (
            self.common("text")
            | self.secrets_file(f"poller{port}", **held)
            | {
                "TALLYSTICK_INGEST_POLLER_PORT": str(port),
                "TALLYSTICK_INGEST_STRIPE_API_BASE": base,
                "TALLYSTICK_INGEST_POLL_INTERVAL_SECONDS": "0.1",
                "TALLYSTICK_INGEST_REQUESTS_PER_SECOND": "100",
            }
        )


def with_password(dsn: str, *, port: int = 0) -> str:
    """The address of the same database for a role whose password is a canary."""
    parts = urlsplit(dsn)
    place = f"{parts.hostname}:{port or parts.port}"
    return urlunsplit(parts._replace(netloc=f"{ROLE}:{PASSWORD}@{place}"))


def refused_deliveries() -> list[tuple[str, bytes, dict[str, str]]]:
    """Deliveries with canaries where nobody should put them; each is refused."""
    private = event_body(
        data={"object": {"id": "ch_1", "object": "charge", "email": EMAIL, "number": PAN}},
        metadata={"secret": STRAY_SECRET, "key": STRAY_KEY, "ours": MAIN_SECRET},
    )
    broken = f"{{{EMAIL} {PAN} {STRAY_KEY} {MAIN_SECRET}".encode()
    stray = {"Authorization": f"Bearer {STRAY_KEY}", "Cookie": f"a={EMAIL}", "X-Pan": PAN}
    return [
        (HOOK, private, signed(private, secret=STRAY_SECRET)),
        (HOOK, private, {"Stripe-Signature": f"t=1,v1={MAIN_SECRET},v0={EMAIL}"} | stray),
        (HOOK, private, {"Stripe-Signature": STRAY_SECRET} | stray),
        (HOOK, private, {"Stripe-Signature": f"t={PAN},v1={'0' * 64}"}),
        (HOOK, private, signed(private, secret=MAIN_SECRET, at=1_000_000)),
        (HOOK, private, stray),
        (HOOK, broken, signed(broken, secret=MAIN_SECRET)),
        (HOOK, private * 5_000, signed(private, secret=MAIN_SECRET)),
        (HOOK, private, {"Content-Encoding": STRAY_KEY}),
        (f"/webhooks/stripe/{MAIN_SECRET}", private, signed(private, secret=MAIN_SECRET)),
        (f"/webhooks/stripe/{EMAIL}", private, signed(private, secret=MAIN_SECRET)),
        (f"/webhooks/stripe/main/{PAN}?key={STRAY_KEY}", private, stray),
        (f"/{STRAY_KEY}/{EMAIL}?pan={PAN}", private, stray),
    ]
