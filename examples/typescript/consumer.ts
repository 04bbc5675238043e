/**
 * An idempotent consumer of `ledger.entries` and `reconciliation.discrepancies`.
 *
 * Kafka delivers at least once, and after a crash the ledger may publish an entry again. So the
 * place that counts is kept in Postgres, in the transaction that applies what was read:
 *
 *   entries         for each origin the last sequence: what is not above it was applied already,
 *                   and what is more than one above it would leave a hole
 *   discrepancies   each record has the full state: the highest revision is how it stands
 *
 * Amounts are integers as text, because a JSON number loses digits past 2^53: read them as BigInt.
 */

import { readFile } from 'node:fs/promises'
import { Consumer, type Message, stringDeserializers } from '@platformatic/kafka'
import pg from 'pg'

const KAFKA = process.env.KAFKA_BOOTSTRAP ?? '127.0.0.1:9092'
const POSTGRES = process.env.POSTGRES_DSN ?? 'postgresql://127.0.0.1/consumer'
const ENTRIES = process.env.ENTRIES_TOPIC ?? 'ledger.entries'
const DISCREPANCIES = process.env.DISCREPANCIES_TOPIC ?? 'reconciliation.discrepancies'
const GROUP = process.env.CONSUMER_GROUP ?? 'example-typescript'
const SCHEMA = new URL('../../consumer.sql', import.meta.url)
const BATCH_MAX = 500

interface Amount { minor: string; currency: string; exponent: number }
interface Posting { account: string; direction: 'debit' | 'credit'; amount: Amount }
interface Entry { book: string; origin: string; sequence: number; postings: Posting[] }
interface Discrepancy {
  id: string
  revision: number
  book: string
  discrepancy: string
  state: string
  subject: string
  amount?: Amount | null
  explanation?: string
}
type Told = Message<string, string, string, string>

const BEGIN = 'insert into applied (origin, sequence) values ($1, 0) on conflict do nothing'
const HOW_FAR = 'select sequence from applied where origin = $1 for update'
const MOVE = 'update applied set sequence = $2 where origin = $1'
const ADD = `
  insert into balances as b (book, account, currency, exponent, minor)
  values ($1, $2, $3, $4, $5)
  on conflict (book, account, currency) do update set minor = b.minor + excluded.minor`
const STAND = `
  insert into discrepancies as d
    (id, revision, book, kind, state, subject, amount_minor, currency, explanation)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
  on conflict (id) do update set
    revision = excluded.revision, state = excluded.state, amount_minor = excluded.amount_minor,
    currency = excluded.currency, explanation = excluded.explanation
  where d.revision < excluded.revision`

/** Apply an entry once; says whether it was new. */
async function applyEntry (tx: pg.Client, entry: Entry): Promise<boolean> {
  await tx.query(BEGIN, [entry.origin])
  const found = await tx.query<{ sequence: string }>(HOW_FAR, [entry.origin])
  const last = BigInt(found.rows[0]?.sequence ?? '0')
  const sequence = BigInt(entry.sequence)
  if (sequence <= last) return false
  if (sequence > last + 1n) {
    throw new Error(
      `${entry.origin}: entry ${sequence} came after ${last}; read the topic from its beginning`)
  }
  for (const { account, direction, amount } of entry.postings) {
    const minor = direction === 'debit' ? BigInt(amount.minor) : -BigInt(amount.minor)
    await tx.query(ADD, [entry.book, account, amount.currency, amount.exponent, minor.toString()])
  }
  await tx.query(MOVE, [entry.origin, entry.sequence])
  return true
}

/** Keep a discrepancy's state when it is newer; says whether it was. */
async function applyDiscrepancy (tx: pg.Client, told: Discrepancy): Promise<boolean> {
  const done = await tx.query(STAND, [
    told.id, told.revision, told.book, told.discrepancy, told.state, told.subject,
    told.amount?.minor ?? null, told.amount?.currency ?? null, told.explanation ?? ''
  ])
  return done.rowCount === 1
}

/** Apply a batch in one transaction; how many records said something new. */
async function applyBatch (database: pg.Client, batch: Told[]): Promise<number> {
  let fresh = 0
  await database.query('begin')
  try {
    for (const { topic, value } of batch) {
      const isNew = topic === ENTRIES
        ? await applyEntry(database, JSON.parse(value) as Entry)
        : await applyDiscrepancy(database, JSON.parse(value) as Discrepancy)
      if (isNew) fresh += 1
    }
    await database.query('commit')
  } catch (error) {
    await database.query('rollback')
    throw error
  }
  return fresh
}

/** What is still to be read of each partition; empty when the end was reached. */
function lacking (ends: Map<string, bigint[]>, reached: Map<string, bigint>): string[] {
  return [...ends].flatMap(([topic, partitions]) => partitions
    .map((end, partition) => ({ name: `${topic}/${partition}`, end }))
    .filter(({ name, end }) => (reached.get(name) ?? 0n) < end)
    .map(({ name }) => name))
}

async function main (): Promise<void> {
  const toEnd = process.argv.includes('--to-end')
  const database = new pg.Client({ connectionString: POSTGRES })
  await database.connect()
  await database.query(await readFile(SCHEMA, 'utf8'))
  const consumer = new Consumer<string, string, string, string>({
    groupId: GROUP,
    clientId: GROUP,
    bootstrapBrokers: KAFKA.split(','),
    deserializers: stringDeserializers
  })
  const topics = [ENTRIES, DISCREPANCIES]
  const ends = await consumer.listOffsets({ topics })
  // From the beginning each time it is asked to stop at the end: what was applied is known.
  const mode = toEnd ? 'earliest' : 'committed'
  const stream = await consumer.consume({
    topics, mode, fallbackMode: 'earliest', autocommit: false, maxWaitTime: 500
  })
  const reached = new Map<string, bigint>()
  let batch: Told[] = []
  let [read, fresh] = [0, 0]
  const isDone = (): boolean => toEnd && lacking(ends, reached).length === 0
  if (!isDone()) {
    for await (const message of stream) {
      batch.push(message)
      reached.set(`${message.topic}/${message.partition}`, message.offset + 1n)
      if (batch.length < BATCH_MAX && stream.readableLength > 0 && !isDone()) continue
      fresh += await applyBatch(database, batch)
      read += batch.length
      // Only a hint of where to go on: what counts is in Postgres by now.
      await batch.at(-1)?.commit()
      batch = []
      if (isDone()) break
    }
  }
  await consumer.close(true)
  await database.end()
  console.log(JSON.stringify({ read, new: fresh }))
}

await main()
