-- A refused file is told as a discrepancy, and taken back when its bytes are taken after all.

-- refused_at is when it was refused first and refused_in the book that hears of it ('' is the first
-- book); both are null of a file that never was. is_untold is how it stands not yet acknowledged.
alter table statement_files
add column refused_at timestamptz,
add column refused_in text,
add column is_untold boolean not null default false;

update statement_files
set refused_at = taken_at, refused_in = '', is_untold = true
where outcome = 'refused';

create index statement_files_untold_index on statement_files (taken_at, sha256) where is_untold;
