-- What was asked for by name since a deadline had passed: each once, whoever is killed meanwhile.

create table look_ups (
    book text not null,
    id text not null,
    subject text not null,
    deadline timestamptz not null,
    look_up text not null,
    place text not null,
    asked_at timestamptz not null,
    constraint look_ups_pkey primary key (id)
);

create index look_ups_book_asked_at on look_ups (book, asked_at);

-- Lines that are only announced are waited for: until now they counted as done with.
update facts
set is_dormant = false
where kind = 'line' and is_dormant and body ->> 'state' = 'pending' and body ->> 'minor' <> '0';

update books
set version = version + 1;

insert into due (book, due_at)
select book, now()
from books
on conflict (book) do nothing;
