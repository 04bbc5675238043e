-- What was on the log before 0010 and 0011 is looked for too: the topic is read once more.

-- Where no invoice ever came there is none to find. What is indexed stays, and is not indexed twice.
delete from positions
where
    topic = 'stripe.events'
    and exists (select from stored_events where event_type like 'invoice.%');
