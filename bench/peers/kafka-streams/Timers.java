import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The debounce written by hand: what is pending in one store, when to look at it in another.
 *
 * <p>A timer is left where it is when its conversation speaks again, and moved on when it fires
 * (one write per update instead of three). Time is stream time: the log's own, so never early.
 */
final class Timers extends ContextualProcessor<Bytes, byte[], Bytes, byte[]> {

    static final String PENDING = "pending";
    static final String TIMERS = "timers";
    private static final byte[] NOTHING = {};
    private static final Duration LOOK_EVERY = Duration.ofMillis(100);

    private final long quietMs;
    private KeyValueStore<Bytes, Update> pending;
    private KeyValueStore<Bytes, byte[]> timers;
    private long lookedUntil = 0; // no timer lies before it; keeps scans off RocksDB's tombstones

    Timers(long quietMs) {
        this.quietMs = quietMs;
    }

    @Override
    public void init(ProcessorContext<Bytes, byte[]> context) {
        super.init(context);
        pending = context.getStateStore(PENDING);
        timers = context.getStateStore(TIMERS);
        context.schedule(LOOK_EVERY, PunctuationType.STREAM_TIME, this::settleUntil);
    }

    @Override
    public void process(Record<Bytes, byte[]> record) {
        Bytes key = record.key();
        Update update = Update.read(record.value(), record.timestamp());
        Update old = pending.get(key);
        if (old != null && update.time() >= old.time() + quietMs) {
            forward(key, old, update.time());
            old = null;
        }
        if (old == null) {
            pending.put(key, update);
            timers.put(timer(update.time() + quietMs, key), NOTHING);
        } else if (update.isNewerThan(old)) {
            pending.put(key, update);
        }
    }

    private void settleUntil(long now) {
        List<Bytes> fired = new ArrayList<>();
        try (KeyValueIterator<Bytes, byte[]> due = timers.range(from(lookedUntil), from(now + 1))) {
            while (due.hasNext()) {
                fired.add(due.next().key);
            }
        }
        lookedUntil = now + 1;
        for (Bytes timer : fired) {
            timers.delete(timer);
            byte[] bytes = timer.get();
            Bytes key = Bytes.wrap(Arrays.copyOfRange(bytes, Long.BYTES, bytes.length));
            Update update = pending.get(key);
            if (update == null) {
                continue;
            }
            if (update.time() + quietMs <= now) {
                pending.delete(key);
                forward(key, update, now);
            } else {
                timers.put(timer(update.time() + quietMs, key), NOTHING);
            }
        }
    }

    private void forward(Bytes key, Update update, long now) {
        context().forward(new Record<>(key, update.settled(key), now));
    }

    private static Bytes from(long due) {
        return Bytes.wrap(ByteBuffer.allocate(Long.BYTES).putLong(due).array());
    }

    private static Bytes timer(long due, Bytes key) {
        return Bytes.wrap(
                ByteBuffer.allocate(Long.BYTES + key.get().length).putLong(due).put(key.get()).array());
    }
}
