// Reads records as JSON, one a line, and prints the bytes that Kafka makes of each, as hex, and
// what Kafka's JSON of it is.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.apache.kafka.common.metadata.MetadataJsonConverters;
import org.apache.kafka.common.metadata.MetadataRecordType;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.metadata.MetadataRecordSerde;
import org.apache.kafka.server.common.ApiMessageAndVersion;

public class Records {
    public static void main(String[] args) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode node = mapper.readTree(line);
            MetadataRecordType type = MetadataRecordType.valueOf(node.get("type").asText());
            short version = node.get("version").shortValue();
            String name = type.newMetadataRecord().getClass().getName();
            Method read = Class.forName(name + "JsonConverter").getMethod("read", JsonNode.class, short.class);
            ApiMessage message = (ApiMessage) read.invoke(null, node.get("data"), version);
            ObjectNode json = mapper.createObjectNode();
            json.put("type", type.toString());
            json.put("version", (int) version);
            json.set("data", MetadataJsonConverters.writeJson(message, version));
            out.println(HexFormat.of().formatHex(bytes(message, version)) + " " + json);
        }
        out.flush();
    }

    static byte[] bytes(ApiMessage message, short version) {
        MetadataRecordSerde serde = new MetadataRecordSerde();
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ApiMessageAndVersion record = new ApiMessageAndVersion(message, version);
        ByteBuffer buffer = ByteBuffer.allocate(serde.recordSize(record, cache));
        serde.write(record, cache, new ByteBufferAccessor(buffer));
        return buffer.array();
    }
}
