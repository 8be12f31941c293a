import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;

/** What is kept of an update: Intercom's time (seconds), its part's id, and its append time (ms). */
record Update(long updatedAt, long partId, long time) {

    private static final JsonFactory JSON = new JsonFactory();

    /** Jackson's streaming parser: the quickest way the JVM's usual JSON library has. */
    static Update read(byte[] json, long time) {
        long updatedAt = 0;
        long partId = 0;
        try (JsonParser parser = JSON.createParser(json)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                parser.nextToken();
                if (name.equals("updated_at")) {
                    updatedAt = parser.getLongValue();
                } else if (name.equals("part_id")) {
                    partId = parser.getLongValue();
                }
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return new Update(updatedAt, partId, time);
    }

    boolean isNewerThan(Update other) {
        return updatedAt > other.updatedAt || (updatedAt == other.updatedAt && partId > other.partId);
    }

    static Update newer(Update one, Update other) {
        return other.isNewerThan(one) ? other : one;
    }

    /** The JSON of a settled event; the key is workspace_id:conversation_id. */
    byte[] settled(Bytes key) {
        String place = new String(key.get(), StandardCharsets.UTF_8);
        int colon = place.indexOf(':');
        String json = "{\"workspace_id\":\"" + place.substring(0, colon)
                + "\",\"conversation_id\":\"" + place.substring(colon + 1)
                + "\",\"trigger\":\"quiet\",\"updated_at\":" + updatedAt
                + ",\"part_id\":" + partId + "}";
        return json.getBytes(StandardCharsets.UTF_8);
    }

    /** 24 bytes. */
    static Serde<Update> serde() {
        return Serdes.serdeFrom(
                (topic, update) -> update == null ? null : ByteBuffer.allocate(24)
                        .putLong(update.updatedAt).putLong(update.partId).putLong(update.time).array(),
                (topic, bytes) -> {
                    if (bytes == null) {
                        return null;
                    }
                    ByteBuffer buffer = ByteBuffer.wrap(bytes);
                    return new Update(buffer.getLong(), buffer.getLong(), buffer.getLong());
                });
    }
}
