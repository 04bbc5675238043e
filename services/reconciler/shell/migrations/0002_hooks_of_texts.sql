-- A line's text meets the names of what is expected, and no other line's text; a transfer of no
-- charge meets no other transfer. Before, each new one brought all the old ones along.

update hooks
set hook = 'text:' || substr(hook, 6)
where hook like 'name:%' and key like 'line:%';

delete from hooks
where hook = 'payment:';
