// An idempotent consumer of ledger.entries and reconciliation.discrepancies.
//
// Kafka delivers at least once, and after a crash the ledger may publish an entry again. So the
// place that counts is kept in Postgres, in the transaction that applies what was read:
//
//	entries         for each origin the last sequence: what is not above it was applied already,
//	                and what is more than one above it would leave a hole
//	discrepancies   each record has the full state: the highest revision is how it stands
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math/big"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	begin  = `insert into applied (origin, sequence) values ($1, 0) on conflict do nothing`
	howFar = `select sequence from applied where origin = $1 for update`
	move   = `update applied set sequence = $2 where origin = $1`
	add    = `
		insert into balances as b (book, account, currency, exponent, minor)
		values ($1, $2, $3, $4, $5::text::numeric)
		on conflict (book, account, currency) do update set minor = b.minor + excluded.minor`
	stand = `
		insert into discrepancies as d
			(id, revision, book, kind, state, subject, amount_minor, currency, explanation)
		values ($1, $2, $3, $4, $5, $6, $7::text::numeric, $8, $9)
		on conflict (id) do update set
			revision = excluded.revision, state = excluded.state,
			amount_minor = excluded.amount_minor, currency = excluded.currency,
			explanation = excluded.explanation
		where d.revision < excluded.revision`
)

// Amount is an integer of minor units as text: a JSON number loses digits past 2^53.
type Amount struct {
	Minor    string `json:"minor"`
	Currency string `json:"currency"`
	Exponent int16  `json:"exponent"`
}

// Entry is the part of a published entry that this program uses.
type Entry struct {
	Book     string `json:"book"`
	Origin   string `json:"origin"`
	Sequence int64  `json:"sequence"`
	Postings []struct {
		Account   string `json:"account"`
		Direction string `json:"direction"`
		Amount    Amount `json:"amount"`
	} `json:"postings"`
}

// Discrepancy is the full state of one.
type Discrepancy struct {
	ID          string  `json:"id"`
	Revision    int32   `json:"revision"`
	Book        string  `json:"book"`
	Kind        string  `json:"discrepancy"`
	State       string  `json:"state"`
	Subject     string  `json:"subject"`
	Amount      *Amount `json:"amount"`
	Explanation string  `json:"explanation"`
}

type settings struct{ kafka, postgres, entries, discrepancies, group, schema string }

func setting(name, otherwise string) string {
	if told := os.Getenv(name); told != "" {
		return told
	}
	return otherwise
}

// applyEntry applies an entry once and says whether it was new.
func applyEntry(ctx context.Context, tx pgx.Tx, value []byte) (bool, error) {
	var entry Entry
	if err := json.Unmarshal(value, &entry); err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, begin, entry.Origin); err != nil {
		return false, err
	}
	var last int64
	if err := tx.QueryRow(ctx, howFar, entry.Origin).Scan(&last); err != nil {
		return false, err
	}
	if entry.Sequence <= last {
		return false, nil
	}
	if entry.Sequence > last+1 {
		return false, fmt.Errorf("%s: entry %d came after %d; read the topic from its beginning",
			entry.Origin, entry.Sequence, last)
	}
	for _, posting := range entry.Postings {
		minor, isNumber := new(big.Int).SetString(posting.Amount.Minor, 10)
		if !isNumber {
			return false, fmt.Errorf("%s: entry %d has an amount that is no integer",
				entry.Origin, entry.Sequence)
		}
		if posting.Direction == "credit" {
			minor.Neg(minor)
		}
		_, err := tx.Exec(ctx, add, entry.Book, posting.Account, posting.Amount.Currency,
			posting.Amount.Exponent, minor.String())
		if err != nil {
			return false, err
		}
	}
	_, err := tx.Exec(ctx, move, entry.Origin, entry.Sequence)
	return err == nil, err
}

// applyDiscrepancy keeps a discrepancy's state when it is newer and says whether it was.
func applyDiscrepancy(ctx context.Context, tx pgx.Tx, value []byte) (bool, error) {
	var told Discrepancy
	if err := json.Unmarshal(value, &told); err != nil {
		return false, err
	}
	var minor, currency *string
	if told.Amount != nil {
		minor, currency = &told.Amount.Minor, &told.Amount.Currency
	}
	done, err := tx.Exec(ctx, stand, told.ID, told.Revision, told.Book, told.Kind, told.State,
		told.Subject, minor, currency, told.Explanation)
	return err == nil && done.RowsAffected() == 1, err
}

// applyBatch applies records in one transaction and says how many of them were new.
func applyBatch(
	ctx context.Context, database *pgx.Conn, records []*kgo.Record, told settings,
) (int, error) {
	fresh := 0
	err := pgx.BeginFunc(ctx, database, func(tx pgx.Tx) error {
		for _, record := range records {
			apply := applyDiscrepancy
			if record.Topic == told.entries {
				apply = applyEntry
			}
			isNew, err := apply(ctx, tx, record.Value)
			if err != nil {
				return err
			}
			if isNew {
				fresh++
			}
		}
		return nil
	})
	return fresh, err
}

// lacking says whether a partition has not been read to the end that it had.
func lacking(ends kadm.ListedOffsets, reached map[string]map[int32]int64) bool {
	isLacking := false
	ends.Each(func(end kadm.ListedOffset) {
		isLacking = isLacking || reached[end.Topic][end.Partition] < end.Offset
	})
	return isLacking
}

func run(ctx context.Context, told settings, isToEnd bool) error {
	schema, err := os.ReadFile(told.schema)
	if err != nil {
		return err
	}
	database, err := pgx.Connect(ctx, told.postgres)
	if err != nil {
		return err
	}
	defer database.Close(context.WithoutCancel(ctx))
	if _, err := database.Exec(ctx, string(schema)); err != nil {
		return err
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(told.kafka, ",")...),
		kgo.ConsumerGroup(told.group),
		kgo.ConsumeTopics(told.entries, told.discrepancies),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	ends, err := admin.ListEndOffsets(ctx, told.entries, told.discrepancies)
	if err != nil {
		return err
	}
	reached, err := committed(ctx, admin, told)
	if err != nil {
		return err
	}
	read, fresh := 0, 0
	for ctx.Err() == nil && (!isToEnd || lacking(ends, reached)) {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil && ctx.Err() == nil {
			return err
		}
		records := fetches.Records()
		isNew, err := applyBatch(ctx, database, records, told)
		if err != nil {
			return err
		}
		// Only a hint of where to go on: what counts is in Postgres by now.
		if err := client.CommitRecords(ctx, records...); err != nil {
			return err
		}
		for _, record := range records {
			reached[record.Topic][record.Partition] = record.Offset + 1
		}
		read, fresh = read+len(records), fresh+isNew
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]int{"read": read, "new": fresh})
}

// committed says where the group goes on reading.
func committed(
	ctx context.Context, admin *kadm.Client, told settings,
) (map[string]map[int32]int64, error) {
	reached := map[string]map[int32]int64{told.entries: {}, told.discrepancies: {}}
	offsets, err := admin.FetchOffsets(ctx, told.group)
	if err != nil {
		return nil, err
	}
	offsets.Each(func(at kadm.OffsetResponse) {
		if partitions := reached[at.Topic]; partitions != nil {
			partitions[at.Partition] = at.At
		}
	})
	return reached, nil
}

func main() {
	isToEnd := flag.Bool("to-end", false, "stop at the end that the topics have now")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, settings{
		kafka:         setting("KAFKA_BOOTSTRAP", "127.0.0.1:9092"),
		postgres:      setting("POSTGRES_DSN", "postgresql://127.0.0.1/consumer"),
		entries:       setting("ENTRIES_TOPIC", "ledger.entries"),
		discrepancies: setting("DISCREPANCIES_TOPIC", "reconciliation.discrepancies"),
		group:         setting("CONSUMER_GROUP", "example-go"),
		schema:        setting("CONSUMER_SCHEMA", "../consumer.sql"),
	}, *isToEnd)
	if err != nil {
		log.Fatal(err)
	}
}
