-- Two processes that open one month: whoever waited for the other reads the catalogue itself.
-- to_regclass answers from the session's cache, which need not have heard of the other's commit, so
-- the second process made the part again, was refused, and ended.

create or replace function open_journal_months(in_schema text, months date []) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    month date;
    whole text;
    part text;
begin
    for month in
        select distinct (m + make_interval(months => behind))::date
        from unnest(months) as m cross join generate_series(0, 1) as behind
        order by 1
    loop
        foreach whole in array array['entries', 'postings'] loop
            part := format('%s_%s', whole, to_char(month, 'YYYY_MM'));
            if to_regclass(format('%I.%I', in_schema, part)) is not null then
                continue;
            end if;
            -- Two who book take turns; the second finds the part there.
            perform pg_advisory_xact_lock(hashtextextended('journal months of ' || in_schema, 0));
            if exists (
                select from pg_class
                where relname = part and relnamespace = to_regnamespace(quote_ident(in_schema))
            ) then
                continue;
            end if;
            -- Made beside its whole and attached: whoever reads or writes the whole goes on.
            execute format(
                'create table %1$I.%2$I (like %1$I.%3$I including constraints including storage)',
                in_schema, part, whole
            );
            execute format(
                'alter table %1$I.%3$I attach partition %1$I.%2$I for values from (%4$L) to (%5$L)',
                in_schema, part, whole,
                to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
                to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00'
            );
            -- Statements that name the part itself are guarded as those that name the whole.
            execute format(
                'create trigger %4$I after insert on %1$I.%2$I referencing new table as written '
                'for each statement execute function %1$I.%3$I()',
                in_schema, part, 'note_' || whole, whole || '_noted'
            );
            execute format(
                'create trigger %3$I before update or delete or truncate on %1$I.%2$I '
                'for each statement execute function %1$I.refuse_change()',
                in_schema, part, whole || '_append_only'
            );
            execute format('grant select, insert on %I.%I to ledger_app', in_schema, part);
        end loop;
    end loop;
end
$$;
