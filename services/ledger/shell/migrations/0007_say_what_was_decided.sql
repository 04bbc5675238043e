-- What the decision on a command says beside accepted or refused: a hold's id, a period, warnings.

alter table outcomes add column decided jsonb;
