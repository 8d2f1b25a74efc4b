package bench;

import java.util.Map;

/** Runs one sample, or lists what can be run. */
public final class Main {
    /** The exit code of a sample that this machine does not allow. */
    static final int UNABLE = 77;

    /** A rival's class may be missing: it is only there when its jars could be had. */
    private record Row(String subject, String className, String version) {}

    private static final Row[] ROWS = {
        new Row("hikaricp", "bench.rivals.HikariCP", "7.0.2"),
        new Row("stormpot", "bench.rivals.Stormpot", "3.2"),
        new Row("stormpot/tap", "bench.rivals.Stormpot$Tap", "3.2"),
        new Row("commons-pool2", "bench.rivals.CommonsPool", "2.13.1"),
    };

    private static final String[] ALL = {
        "uncontended", "parallel", "contended", "duel", "waiters", "spike", "memory",
    };
    private static final String[] ONE_THREAD = {"uncontended"};

    /** What more would take a minute: fills one by one, storms of spinning threads. */
    private static final Map<String, String> VARIANTS = Map.of(
            "memory", ", \"variants\": [{\"connections\": 0},"
                    + " {\"connections\": 100}, {\"connections\": 1000}]",
            "waiters", ", \"variants\": [{\"callers\": 100}, {\"callers\": 1000}]");

    private Main() {}

    public static void main(String[] words) throws Exception {
        Arguments arguments = new Arguments(words);
        if (arguments.list()) {
            list();
            return;
        }
        for (Row row : ROWS) {
            if (row.subject.equals(arguments.subject())) {
                new Cases<>(rival(row), arguments).run().print();
                System.exit(0); // the threads of some pools live on
            }
        }
        throw new IllegalArgumentException("no such subject: " + arguments.subject());
    }

    private static Rival<?> rival(Row row) throws ReflectiveOperationException {
        return (Rival<?>) Class.forName(row.className).getDeclaredConstructor().newInstance();
    }

    private static void list() {
        for (Row row : ROWS) {
            String notes;
            try {
                notes = Report.quoted(rival(row).notes());
            } catch (ReflectiveOperationException | LinkageError absent) {
                continue; // build.sh has said so, and why
            }
            // A tap is one thread's.
            for (String name : row.subject.endsWith("/tap") ? ONE_THREAD : ALL) {
                System.out.printf(
                        "{\"case\": \"%s\", \"subject\": \"%s\", \"version\": \"%s\","
                                + " \"language\": \"java\", \"notes\": %s%s}%n",
                        name, row.subject, row.version, notes,
                        VARIANTS.getOrDefault(name, ""));
            }
        }
    }
}
