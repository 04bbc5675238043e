-- Roll-ups by tags that are named where it is asked: a slice that somebody decides on years later.

-- Turnover of what each tag names: `{"cloud": ["expenses:compute", "expenses:domain"]}`, each account
-- with all that is under it. One that several tags name counts in each; what none names is left out.
create function turnover_by_tag(
    in_book text,
    tags jsonb,
    from_day date default null,
    through_day date default null,
    recorded_through date default null
) returns table (
    tag text, currency text, exponent smallint, debit_minor numeric, credit_minor numeric
) language sql stable as $$
    select
        n.tag, t.currency, max(t.exponent), sum(t.debit_minor), sum(t.credit_minor)
    from ledger_read.turnover(in_book, from_day, through_day, recorded_through) as t
    join jsonb_each(tags) as n (tag, accounts)
        on exists (
            select
            from jsonb_array_elements_text(n.accounts) as a (prefix)
            where t.account = a.prefix or starts_with(t.account, a.prefix || ':')
        )
    where t.account not like 'memo:%'
    group by n.tag, t.currency
    order by n.tag, t.currency
$$;
