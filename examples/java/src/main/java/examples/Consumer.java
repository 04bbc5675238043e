package examples;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * An idempotent consumer of {@code ledger.entries} and {@code reconciliation.discrepancies}.
 *
 * <p>Kafka delivers at least once, and after a crash the ledger may publish an entry again. So the
 * place that counts is kept in Postgres, in the transaction that applies what was read:
 *
 * <ul>
 *   <li>entries: for each origin the last sequence; what is not above it was applied already, and
 *       what is more than one above it would leave a hole
 *   <li>discrepancies: each record has the full state; the highest revision is how it stands
 * </ul>
 */
public final class Consumer {
  private static final String BEGIN =
      "insert into applied (origin, sequence) values (?, 0) on conflict do nothing";
  private static final String HOW_FAR = "select sequence from applied where origin = ? for update";
  private static final String MOVE = "update applied set sequence = ? where origin = ?";
  private static final String ADD =
      """
      insert into balances as b (book, account, currency, exponent, minor)
      values (?, ?, ?, ?, ?::text::numeric)
      on conflict (book, account, currency) do update set minor = b.minor + excluded.minor
      """;
  private static final String STAND =
      """
      insert into discrepancies as d
          (id, revision, book, kind, state, subject, amount_minor, currency, explanation)
      values (?, ?, ?, ?, ?, ?, ?::text::numeric, ?, ?)
      on conflict (id) do update set
          revision = excluded.revision, state = excluded.state,
          amount_minor = excluded.amount_minor, currency = excluded.currency,
          explanation = excluded.explanation
      where d.revision < excluded.revision
      """;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final String entries = setting("ENTRIES_TOPIC", "ledger.entries");
  private final String discrepancies =
      setting("DISCREPANCIES_TOPIC", "reconciliation.discrepancies");
  private final Connection database;
  private int read;
  private int fresh;

  private Consumer(Connection database) {
    this.database = database;
  }

  private static String setting(String name, String otherwise) {
    return System.getenv().getOrDefault(name, otherwise);
  }

  private int change(String sql, Object... values) throws SQLException {
    try (var statement = database.prepareStatement(sql)) {
      for (int i = 0; i < values.length; i++) {
        statement.setObject(i + 1, values[i]);
      }
      return statement.executeUpdate();
    }
  }

  /** How far an origin has been applied; its row is ours until the transaction ends. */
  private long howFar(String origin) throws SQLException {
    change(BEGIN, origin);
    try (var statement = database.prepareStatement(HOW_FAR)) {
      statement.setString(1, origin);
      try (var found = statement.executeQuery()) {
        found.next();
        return found.getLong(1);
      }
    }
  }

  /** Apply an entry once; says whether it was new. */
  private boolean applyEntry(JsonNode entry) throws SQLException {
    String origin = entry.path("origin").asText();
    long sequence = entry.path("sequence").asLong();
    long last = howFar(origin);
    if (sequence <= last) {
      return false;
    }
    if (sequence > last + 1) {
      throw new IllegalStateException(
          "%s: entry %d came after %d; read the topic from its beginning"
              .formatted(origin, sequence, last));
    }
    for (JsonNode posting : entry.path("postings")) {
      JsonNode amount = posting.path("amount");
      // Text, because a JSON number loses digits past 2^53, and a long ends at 2^63.
      var minor = new BigInteger(amount.path("minor").asText());
      boolean isDebit = posting.path("direction").asText().equals("debit");
      change(
          ADD,
          entry.path("book").asText(),
          posting.path("account").asText(),
          amount.path("currency").asText(),
          (short) amount.path("exponent").asInt(),
          (isDebit ? minor : minor.negate()).toString());
    }
    change(MOVE, sequence, origin);
    return true;
  }

  /** Keep a discrepancy's state when it is newer; says whether it was. */
  private boolean applyDiscrepancy(JsonNode told) throws SQLException {
    JsonNode amount = told.path("amount");
    return change(
            STAND,
            told.path("id").asText(),
            told.path("revision").asInt(),
            told.path("book").asText(),
            told.path("discrepancy").asText(),
            told.path("state").asText(),
            told.path("subject").asText(),
            amount.path("minor").asText(null),
            amount.path("currency").asText(null),
            told.path("explanation").asText(""))
        == 1;
  }

  /** Apply a batch in one transaction. */
  private void apply(ConsumerRecords<String, byte[]> records) throws Exception {
    int isNew = 0;
    try {
      for (ConsumerRecord<String, byte[]> record : records) {
        JsonNode told = JSON.readTree(record.value());
        boolean changed =
            record.topic().equals(entries) ? applyEntry(told) : applyDiscrepancy(told);
        isNew += changed ? 1 : 0;
      }
      database.commit();
    } catch (Exception error) {
      database.rollback();
      throw error;
    }
    read += records.count();
    fresh += isNew;
  }

  private boolean isAtEnd(KafkaConsumer<String, byte[]> consumer) {
    var assigned = consumer.assignment();
    Map<TopicPartition, Long> ends = consumer.endOffsets(assigned);
    return !assigned.isEmpty()
        && assigned.stream().allMatch(each -> consumer.position(each) >= ends.get(each));
  }

  private void run(boolean toEnd) throws Exception {
    Map<String, Object> settings =
        Map.of(
            "bootstrap.servers", setting("KAFKA_BOOTSTRAP", "127.0.0.1:9092"),
            "group.id", setting("CONSUMER_GROUP", "example-java"),
            "enable.auto.commit", false,
            "auto.offset.reset", "earliest");
    try (var consumer =
        new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer())) {
      consumer.subscribe(List.of(entries, discrepancies));
      do {
        apply(consumer.poll(Duration.ofMillis(500)));
        // Only a hint of where to go on: what counts is in Postgres by now.
        consumer.commitSync();
      } while (!toEnd || !isAtEnd(consumer));
    }
    System.out.println(JSON.writeValueAsString(Map.of("read", read, "new", fresh)));
  }

  /** Consume until the end ({@code --to-end}), or until interrupted. */
  public static void main(String[] arguments) throws Exception {
    String url = setting("POSTGRES_URL", "jdbc:postgresql://127.0.0.1/consumer");
    Path schema = Path.of(setting("CONSUMER_SCHEMA", "../consumer.sql"));
    try (var database = DriverManager.getConnection(url)) {
      try (var statement = database.createStatement()) {
        statement.execute(Files.readString(schema));
      }
      database.setAutoCommit(false);
      new Consumer(database).run(List.of(arguments).contains("--to-end"));
    }
  }
}
