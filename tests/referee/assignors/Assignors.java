import java.nio.ByteBuffer;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.*;
import org.apache.kafka.common.*;

/**
 * Asks the assignors of kafka-clients who gets which partitions. It reads lessons and prints them with
 * the answers, then prints random cases of its own with answers, the same ones for the same seed.
 *
 * <p>Usage: java -cp CLASSPATH Assignors.java [SEED [ROUNDS]] &lt; lessons.txt &gt; golden.txt
 */
public class Assignors {
    record Member(String id, String instance, String topics, int generation, int subscribed, String raw, List<String> owned) {
        static Member parse(String text) {
            String[] words = text.trim().split(" +");
            String[] id = words[0].split("@");
            Integer generation = null, subscribed = null;
            String raw = null;
            List<String> owned = new ArrayList<>();
            for (String word : Arrays.asList(words).subList(2, words.length)) {
                switch (word.charAt(0)) {
                    case 'g' -> generation = Integer.valueOf(word.substring(1));
                    case 's' -> subscribed = Integer.valueOf(word.substring(1));
                    case '#' -> raw = word.substring(1);
                    default -> owned = partitions(word);
                }
            }
            int known = generation == null ? -1 : generation;
            return new Member(id[0], id.length > 1 ? id[1] : null, words[1].equals("-") ? "" : words[1], known,
                subscribed == null ? known : subscribed, raw, owned);
        }

        Member with(int generation, List<String> owned) {
            return new Member(id, instance, topics, generation, generation, null, owned);
        }

        Member with(String topics) {
            return new Member(id, instance, topics, generation, subscribed, raw, owned);
        }

        @Override
        public String toString() {
            return id + (instance == null ? "" : "@" + instance) + " " + (topics.isEmpty() ? "-" : topics)
                + (generation < 0 ? "" : " g" + generation) + (subscribed == generation ? "" : " s" + subscribed)
                + (raw == null ? "" : " #" + raw) + (owned.isEmpty() ? "" : " " + String.join("", owned));
        }
    }

    record Case(String assignor, SortedMap<String, Integer> topics, List<Member> members) {
        static Case parse(String text) {
            String[] parts = text.split(";");
            String[] words = parts[0].trim().split(" +");
            SortedMap<String, Integer> topics = new TreeMap<>();
            for (String word : Arrays.asList(words).subList(1, words.length))
                topics.put(word.substring(0, 1), Integer.valueOf(word.substring(1)));
            return new Case(words[0], topics, Arrays.stream(parts).skip(1).map(Member::parse).toList());
        }

        @Override
        public String toString() {
            return assignor + topics.entrySet().stream().map(e -> " " + e.getKey() + e.getValue()).collect(Collectors.joining())
                + members.stream().map(m -> " ; " + m).collect(Collectors.joining());
        }
    }

    /** "t0t12u1": a letter and a number each. */
    static List<String> partitions(String text) {
        List<String> partitions = new ArrayList<>();
        for (String part : text.split("(?=[a-z])")) partitions.add(part);
        return partitions;
    }

    static ConsumerPartitionAssignor assignor(String name) {
        return switch (name) {
            case "range" -> new RangeAssignor();
            case "roundrobin" -> new RoundRobinAssignor();
            case "sticky" -> new StickyAssignor();
            default -> new CooperativeStickyAssignor();
        };
    }

    /** What a name is called in a run: the letter with something behind it that changes its hash but not its place. */
    interface Names { String of(String letter); }

    static TopicPartition named(String partition, Names names) {
        return new TopicPartition(names.of(partition.substring(0, 1)), Integer.parseInt(partition.substring(1)));
    }

    static ByteBuffer userData(String name, int generation, List<TopicPartition> partitions) {
        ConsumerPartitionAssignor assignor = assignor(name);
        if (generation >= 0)
            assignor.onAssignment(new Assignment(partitions), new ConsumerGroupMetadata("g", generation, "m", Optional.empty()));
        return assignor.subscriptionUserData(Set.of());
    }

    static SortedMap<String, List<String>> run(Case it, Names names) {
        Map<String, Subscription> subscriptions = new HashMap<>();
        for (Member member : it.members) {
            List<TopicPartition> owned = member.owned.stream().map(p -> named(p, names)).toList();
            ByteBuffer data = member.raw == null
                ? userData(it.assignor, member.generation, owned)
                : ByteBuffer.wrap(HexFormat.of().parseHex(member.raw));
            boolean eager = it.assignor.equals("sticky");
            Subscription subscription = new Subscription(member.topics.chars().mapToObj(c -> names.of("" + (char) c)).toList(), data,
                eager ? List.of() : owned, member.subscribed, Optional.empty());
            subscription.setGroupInstanceId(Optional.ofNullable(member.instance));
            subscriptions.put(names.of(member.id), subscription);
        }
        Node node = new Node(0, "h", 1);
        List<PartitionInfo> infos = new ArrayList<>();
        it.topics.forEach((topic, count) -> {
            for (int p = 0; p < count; p++)
                infos.add(new PartitionInfo(names.of(topic), p, node, new Node[] {node}, new Node[] {node}));
        });
        Cluster cluster = new Cluster("c", List.of(node), infos, Set.of(), Set.of());
        SortedMap<String, List<String>> result = new TreeMap<>();
        assignor(it.assignor).assign(cluster, new GroupSubscription(subscriptions)).groupAssignment().forEach((member, assignment) ->
            result.put(member.substring(0, 1), assignment.partitions().stream().map(p -> p.topic().charAt(0) + "" + p.partition()).toList()));
        return result;
    }

    /** What is wrong with a result by the contract of assignors, or null. */
    static String fault(Case it, Map<String, List<String>> result) {
        Set<String> seen = new HashSet<>();
        for (Member member : it.members)
            for (String partition : result.get(member.id)) {
                String topic = partition.substring(0, 1);
                if (Integer.parseInt(partition.substring(1)) >= it.topics.getOrDefault(topic, 0)) return "assigns what does not exist";
                if (!member.topics.contains(topic)) return "assigns what was not subscribed to";
                if (!seen.add(partition)) return "assigns twice";
            }
        return null;
    }

    /** The case with its answer: '=' or, where other names would have given another one, '~'; '!' and a reason where there is none. */
    static String answer(Case it, SortedMap<String, List<String>> into) {
        SortedMap<String, List<String>> result;
        try {
            result = run(it, letter -> letter);
        } catch (RuntimeException e) {
            return "! " + it + " -> throws " + e.getClass().getSimpleName();
        }
        into.putAll(result);
        String fault = fault(it, result);
        if (fault != null) return "! " + it + " -> " + fault;
        Random random = new Random(1);
        boolean same = true;
        for (int i = 0; i < 12; i++) {
            Map<String, String> known = new HashMap<>();
            Names names = letter -> known.computeIfAbsent(letter, l -> l + Integer.toString(random.nextInt(100000), 36));
            try {
                same &= run(it, names).equals(result);
            } catch (RuntimeException e) {
                same = false;
            }
        }
        return (same ? "= " : "~ ") + it + " ->" + result.entrySet().stream()
            .map(e -> " " + e.getKey() + (e.getValue().isEmpty() ? "" : " " + String.join("", e.getValue())))
            .collect(Collectors.joining(" ;"));
    }

    static final Random RANDOM = new Random();

    static int below(int bound) { return RANDOM.nextInt(bound); }

    static String subset(String letters) {
        StringBuilder some = new StringBuilder();
        for (char letter : letters.toCharArray()) if (below(3) > 0) some.append(letter);
        return some.toString();
    }

    static SortedMap<String, Integer> topics() {
        SortedMap<String, Integer> topics = new TreeMap<>();
        for (char topic = 't'; topic < 't' + 1 + below(4); topic++) if (below(8) > 0) topics.put("" + topic, 1 + below(5));
        return topics;
    }

    static Member member(char id, String topics) {
        return new Member("" + id, null, topics, -1, -1, null, List.of());
    }

    static void single(String assignor) {
        List<Member> members = new ArrayList<>();
        boolean equal = below(3) == 0;
        for (char id = 'a'; id < 'b' + below(5); id++) {
            String instance = below(4) == 0 ? "" + (char) ('z' - (id - 'a') - 10 * below(2)) : null;
            members.add(new Member("" + id, instance, equal ? "tuvw" : subset("tuvw"), -1, -1, null, List.of()));
        }
        System.out.println(answer(new Case(assignor, topics(), members), new TreeMap<>()));
    }

    /** A group over some rebalances: members come, go, change their minds, sleep through one; topics grow. */
    static void chain(String assignor, boolean equal) {
        SortedMap<String, Integer> topics = topics();
        List<Member> members = new ArrayList<>();
        char next = 'a';
        for (int i = below(4); i >= 0; i--) members.add(member(next++, equal ? "tuvw" : subset("tuvw")));
        for (int generation = 1; generation <= 4; generation++) {
            SortedMap<String, List<String>> result = new TreeMap<>();
            System.out.println(answer(new Case(assignor, topics, List.copyOf(members)), result));
            if (result.isEmpty()) return;
            for (int i = 0; i < members.size(); i++)
                if (below(8) > 0 || equal && assignor.equals("cooperative-sticky"))
                    members.set(i, members.get(i).with(generation, result.get(members.get(i).id)));
            switch (below(5)) {
                case 0 -> members.add(member(next++, equal ? "tuvw" : subset("tuvw")));
                case 1 -> { if (members.size() > 1) members.remove(below(members.size())); }
                case 2 -> topics.merge("" + (char) ('t' + below(4)), 1 + below(3), Integer::sum);
                case 3 -> { if (!equal) members.set(0, members.get(0).with(subset("tuvw"))); }
                default -> { }
            }
        }
    }

    /** Members that claim anything. */
    static void wild(String assignor) {
        SortedMap<String, Integer> topics = topics();
        List<Member> members = new ArrayList<>();
        boolean equal = below(2) == 0;
        for (char id = 'a'; id < 'c' + below(3); id++) {
            List<String> owned = new ArrayList<>();
            topics.forEach((topic, count) -> { for (int p = 0; p < count; p++) if (below(3) == 0) owned.add(topic + p); });
            Collections.shuffle(owned, RANDOM);
            members.add(member(id, equal ? "tuvw" : subset("tuvw")).with(below(3) - 1, owned));
        }
        System.out.println(answer(new Case(assignor, topics, members), new TreeMap<>()));
    }

    public static void main(String[] args) {
        RANDOM.setSeed(args.length > 0 ? Long.parseLong(args[0]) : 20);
        int rounds = args.length > 1 ? Integer.parseInt(args[1]) : 1;
        for (String line : new Scanner(System.in).useDelimiter("\\A").next().split("\n")) {
            if (line.startsWith("data ")) {
                String[] words = line.split(" +");
                List<TopicPartition> owned = words.length < 4 ? List.of() : partitions(words[3]).stream().map(p -> named(p, l -> l)).toList();
                ByteBuffer data = userData(words[1], Integer.parseInt(words[2].substring(1)), owned);
                byte[] bytes = data == null ? null : Arrays.copyOfRange(data.array(), data.position(), data.limit());
                System.out.println(line + " -> " + (data == null ? "null" : HexFormat.of().formatHex(bytes)));
            } else {
                System.out.println(line.isEmpty() || line.startsWith("#") ? line : answer(Case.parse(line), new TreeMap<>()));
            }
        }
        System.out.println("\n# Random ones.");
        for (int i = 0; i < 50 * rounds; i++) for (String assignor : List.of("range", "roundrobin")) single(assignor);
        for (int i = 0; i < 22 * rounds; i++)
            for (String assignor : List.of("sticky", "cooperative-sticky"))
                for (boolean equal : new boolean[] {true, false}) chain(assignor, equal);
        for (int i = 0; i < 60 * rounds; i++) for (String assignor : List.of("sticky", "cooperative-sticky")) wild(assignor);
    }
}
