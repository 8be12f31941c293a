import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.Stores;

/**
 * The same debounce on Kafka Streams: {@code Peer session|timers rocksdb|memory}.
 *
 * <p>Everything not named here is Kafka Streams' default: one thread, at least once, a commit each
 * 30 s. Says "ready" and "processed N probes N" on standard output, for the harness.
 */
public final class Peer {

    private static final AtomicLong PROCESSED = new AtomicLong();
    private static final AtomicLong PROBES = new AtomicLong();

    public static void main(String[] arguments) throws InterruptedException {
        String how = arguments[0];
        boolean inMemory = arguments[1].equals("memory");
        long quietMs = Long.parseLong(variable("QUIET_MS"));
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, variable("GROUP"));
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, variable("BOOTSTRAP"));
        properties.put(StreamsConfig.STATE_DIR_CONFIG, variable("STATE_DIR"));
        if (inMemory) {
            properties.put(
                    StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG,
                    "org.apache.kafka.streams.state.BuiltInDslStoreSuppliers$InMemoryDslStoreSuppliers");
        }
        String member = System.getenv("PEER_MEMBER");
        if (member != null) {
            properties.put("group.instance.id", member);
        }
        StreamsBuilder builder = new StreamsBuilder();
        KStream<Bytes, byte[]> updates = builder
                .stream(variable("UPDATED"), Consumed.with(Serdes.Bytes(), Serdes.ByteArray()))
                .filter((key, value) -> key != null); // ticks are not for it
        KStream<Bytes, byte[]> settled = how.equals("session")
                ? session(updates, quietMs)
                : timers(builder, updates, quietMs, inMemory);
        settled.to(variable("SETTLED"), Produced.with(Serdes.Bytes(), Serdes.ByteArray()));
        KafkaStreams streams = new KafkaStreams(builder.build(), properties);
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING) {
                System.out.println("ready");
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
        streams.start();
        tell();
    }

    /** As its documentation says: a session window whose only result is the final one. */
    private static KStream<Bytes, byte[]> session(KStream<Bytes, byte[]> updates, long quietMs) {
        // Two updates exactly a gap apart are one session; we settle at exactly the quiet period.
        Duration gap = Duration.ofMillis(quietMs - 1);
        return updates
                .processValues(Read::new)
                .groupByKey(Grouped.with(Serdes.Bytes(), Update.serde()))
                .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(gap))
                .reduce(Update::newer, Materialized.with(Serdes.Bytes(), Update.serde()))
                .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()))
                .toStream()
                .map((window, update) ->
                        KeyValue.pair(window.key(), update.settled(window.key())));
    }

    private static KStream<Bytes, byte[]> timers(
            StreamsBuilder builder, KStream<Bytes, byte[]> updates, long quietMs, boolean inMemory) {
        builder.addStateStore(Stores.keyValueStoreBuilder(
                store(Timers.PENDING, inMemory), Serdes.Bytes(), Update.serde()));
        builder.addStateStore(Stores.keyValueStoreBuilder(
                store(Timers.TIMERS, inMemory), Serdes.Bytes(), Serdes.ByteArray()));
        return updates
                .peek((key, value) -> count(key))
                .process(() -> new Timers(quietMs), Timers.PENDING, Timers.TIMERS);
    }

    private static KeyValueBytesStoreSupplier store(String name, boolean inMemory) {
        return inMemory ? Stores.inMemoryKeyValueStore(name) : Stores.persistentKeyValueStore(name);
    }

    /** The value with its record's time; the key stays, so nothing is repartitioned. */
    private static final class Read extends ContextualFixedKeyProcessor<Bytes, byte[], Update> {
        @Override
        public void process(FixedKeyRecord<Bytes, byte[]> record) {
            count(record.key());
            context().forward(record.withValue(Update.read(record.value(), record.timestamp())));
        }
    }

    private static void count(Bytes key) {
        PROCESSED.incrementAndGet();
        if (key.get()[0] == 'p') {
            PROBES.incrementAndGet();
        }
    }

    private static void tell() throws InterruptedException {
        String told = "";
        while (true) {
            String now = "processed " + PROCESSED.get() + " probes " + PROBES.get();
            if (!now.equals(told)) {
                System.out.println(now);
                told = now;
            }
            Thread.sleep(100);
        }
    }

    private static String variable(String name) {
        return System.getenv("PEER_" + name);
    }
}
