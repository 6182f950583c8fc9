// What consumers of kafka-clients tell their listeners, and how commits end, against a running broker:
//   java -cp CLASSPATH Members.java HOST:PORT > golden.txt
// The broker is fresh, and has group.initial.rebalance.delay.ms=0.
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public class Members {
    static String broker;

    static class Told implements ConsumerRebalanceListener {
        final String name;

        Told(String name) {
            this.name = name;
        }

        void say(String what, Collection<TopicPartition> partitions) {
            List<String> names = new ArrayList<>();
            partitions.forEach(partition -> names.add(partition.toString()));
            Collections.sort(names);
            System.out.println(name + " " + what + " " + String.join(" ", names));
        }

        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            say("revoked", partitions);
        }

        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            say("assigned", partitions);
        }

        public void onPartitionsLost(Collection<TopicPartition> partitions) {
            say("lost", partitions);
        }
    }

    static Consumer<byte[], byte[]> consumer(String name, String group, String assignor) {
        Properties configs = new Properties();
        configs.put("bootstrap.servers", broker);
        configs.put("group.id", group);
        configs.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor);
        configs.put("auto.offset.reset", "earliest");
        configs.put("max.poll.interval.ms", "8000");
        var consumer = new KafkaConsumer<>(
            configs, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        consumer.subscribe(List.of("orders"), new Told(name));
        return consumer;
    }

    static void poll(int seconds, Consumer<?, ?>... consumers) {
        long end = System.currentTimeMillis() + seconds * 1000L;
        while (System.currentTimeMillis() < end) {
            for (Consumer<?, ?> consumer : consumers) {
                consumer.poll(Duration.ofMillis(50));
            }
        }
    }

    static void commit(String what, Consumer<?, ?> consumer, int partition, String metadata) {
        var at = Map.of(new TopicPartition("orders", partition), new OffsetAndMetadata(0, metadata));
        try {
            consumer.commitSync(at, Duration.ofSeconds(2));
            System.out.println("a commit " + what + ": done");
        } catch (Exception error) {
            System.out.println("a commit " + what + ": " + error.getClass().getSimpleName());
        }
    }

    public static void main(String[] arguments) throws Exception {
        broker = arguments[0];
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", (Object) broker))) {
            admin.createTopics(List.of(
                new NewTopic("orders", 6, (short) 1), new NewTopic("stock", 2, (short) 1))).all().get();
        }
        for (String assignor : List.of(
                "RangeAssignor", "RoundRobinAssignor", "StickyAssignor", "CooperativeStickyAssignor")) {
            System.out.println("== " + assignor);
            var a = consumer("a", assignor, assignor);
            poll(2, a);
            var b = consumer("b", assignor, assignor);
            poll(8, a, b);
            System.out.println("-- a subscribes to more");
            a.subscribe(List.of("orders", "stock"), new Told("a"));
            poll(8, a, b);
            System.out.println("-- a subscribes to less");
            a.subscribe(List.of("stock"), new Told("a"));
            poll(8, a, b);
            System.out.println("-- b enforces a rebalance");
            b.enforceRebalance();
            poll(6, a, b);
            System.out.println("-- a is not polled for too long");
            poll(12, b);
            poll(8, a, b);
            System.out.println("-- b unsubscribes");
            b.unsubscribe();
            poll(6, a);
            System.out.println("-- both close");
            a.close();
            b.close();
        }
        System.out.println("== commits");
        var a = consumer("a", "commits", "RangeAssignor");
        commit("before it has joined", a, 0, "");
        a.poll(Duration.ZERO);
        commit("while it joins", a, 0, "");
        poll(4, a);
        commit("as a member", a, 0, "");
        commit("for a partition that there is not", a, 99, "");
        commit("with much metadata", a, 0, "x".repeat(5000));
        Thread.sleep(9000);
        commit("after it was not polled for too long", a, 0, "");
        a.close();
    }
}
