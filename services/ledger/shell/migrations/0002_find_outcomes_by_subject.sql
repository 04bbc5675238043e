-- Who asks what became of an object, or of a command under its key, must not read every outcome.

create index outcomes_subject_index on outcomes (subject, book);
