"""The simulated bank as a feed meets it, its faults, and the control face."""

import json
from collections import Counter
from email.utils import parsedate_to_datetime

from sandbox.world.scenario import ACCOUNT
from tests.support.world import END, KEY, played, runner_of, served


async def test_the_bank_pages_by_an_opaque_cursor_and_forgets_it_on_reset() -> None:
    async with played("faults") as world:
        account = next(
            a for a in (await world.bank("/accounts")).json()["data"] if a["name"] == "main_usd"
        )
        seen: list[str] = []
        cursor, last = "", ""
        while True:
            page = (
                await world.bank("/transactions", account_id=account["id"], limit=7, cursor=cursor)
            ).json()
            seen += [line["id"] for line in page["data"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
            last = cursor
        bank = world.runner.world.state.bank
        assert seen == [line.id for line in bank.lines(world.runner.world.now, account["id"])]
        balance = (await world.bank(f"/accounts/{account['id']}/balance")).json()
        assert balance["current_balance"] == bank.balance(account["id"])
        assert (
            sum(line.amount for line in bank.every_line() if line.currency == "usd")
            == balance["current_balance"]
        )
        await world.do("bank_reset_cursors")
        refused = await world.bank("/transactions", cursor=last)
        assert refused.status_code == 400
        assert refused.json()["type"] == "invalid_parameters_error"


async def test_the_bank_refuses_what_it_does_not_know() -> None:
    async with served(runner_of("bare")) as world:
        assert (await world.bank("/transactions/none")).status_code == 404
        assert (await world.bank("/accounts/none/balance")).status_code == 404
        assert (await world.bank("/transactions", limit=0)).status_code == 400
        stranger = await world.http.get(f"{world.bank_url}/accounts")
        assert stranger.status_code == 401
        assert stranger.json()["type"] == "invalid_api_key_error"
        await world.knobs("bank", next_requests=["rate_limited", "server_error"])
        assert (await world.bank("/accounts")).status_code == 429
        assert (await world.bank("/accounts")).status_code == 500


async def test_the_banks_faults_can_be_brought_about_one_by_one() -> None:
    async with served(runner_of("bare")) as world:
        made = await world.do("bank_line", account="main_usd", amount=500, description="A")
        late = await world.do(
            "bank_line", account="main_usd", amount=70, booked_on="2026-10-01", late_seconds=60
        )
        listed = (await world.bank("/transactions")).json()["data"]
        assert [line["id"] for line in listed] == [made["line"]]
        assert (await world.bank(f"/transactions/{late['line']}")).status_code == 404
        account = listed[0]["account_id"]
        assert (await world.bank(f"/accounts/{account}/balance")).json()["current_balance"] == 570
        world.runner.advance(60)
        await world.do("bank_tell_again", line=made["line"])
        await world.do("bank_amend", line=made["line"], amount=450)
        listed = (await world.bank("/transactions")).json()["data"]
        told = [(line["id"], line["amount"], line["date"]) for line in listed]
        day = listed[-1]["created_at"][:10]
        assert told == [
            (late["line"], 70, "2026-10-01"),
            (made["line"], 450, day),
            (made["line"], 450, day),
        ]
        await world.do("bank_remove", line=late["line"])
        await world.do("bank_drift", account="main_usd", amount=-5)
        balance = (await world.bank(f"/accounts/{account}/balance")).json()
        assert balance["current_balance"] == 445
        refused = await world.http.post(
            f"{world.bank_url}/sim/do", json={"do": "bank_line", "account": "none", "amount": 1}
        )
        assert refused.status_code == 400


async def test_the_banks_own_simulations_post_lines() -> None:
    async with served(runner_of("bare")) as world:
        number = world.runner.world.state.bank.named("main_usd").number_id
        answer = await world.http.post(
            f"{world.bank_url}/simulations/inbound_ach_transfers",
            json={
                "account_number_id": number,
                "amount": 25_000,
                "company_name": "NORTHWIND",
                "company_entry_description": "INV 4471",
            },
            headers={"Authorization": f"Bearer {KEY}"},
        )
        assert answer.status_code == 200
        line = answer.json()
        assert (line["amount"], line["description"]) == (25_000, "INV 4471")
        source = line["source"]
        assert source["inbound_ach_transfer"]["originator_company_name"] == "NORTHWIND"
        assert (await world.bank(f"/transactions/{line['id']}")).json() == line


async def test_the_control_face_tells_the_truth_and_the_whole_story() -> None:
    async with played("month") as world:
        truth = (await world.http.get(f"{world.stripe_url}/sim/truth")).json()
        assert [row["kind"] for row in truth["discrepancies"]] == [
            "payout_amount_mismatch",
            "payout_overdue",
            "unidentified_bank_credit",
        ]
        assert truth["over"] is True
        assert truth["stripe_account"] == ACCOUNT
        books = (await world.http.get(f"{world.bank_url}/sim/books")).json()
        assert len(books["bank"]["records"]) == len(world.runner.world.state.bank.every_line())
        story = (await world.http.get(f"{world.stripe_url}/sim/export")).text.splitlines()
        topics = Counter(json.loads(line)["topic"] for line in story)
        assert set(topics) == {"stripe.events", "stripe.objects", "bank.observations"}
        progress = (await world.http.get(f"{world.stripe_url}/sim/progress")).json()
        assert progress["day"] == progress["days"] == 40


async def test_the_banks_answers_are_dated_by_the_worlds_own_clock() -> None:
    async with played("month") as world:
        answer = await world.bank("/accounts")
        told = parsedate_to_datetime(answer.headers["date"])
        assert told.timestamp() == world.runner.world.now
        assert told.date() == END
