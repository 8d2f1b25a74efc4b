package bench;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;

/** One sample as one line of JSON. */
final class Report {
    private final Map<String, String> fields = new LinkedHashMap<>();

    Report(Arguments arguments, String notes) {
        text("case", arguments.name());
        text("subject", arguments.subject());
        text("language", "java");
        text("notes", notes);
    }

    void text(String name, String value) {
        fields.put(name, quoted(value));
    }

    static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    void set(String name, double value) {
        fields.put(name, String.format(Locale.ROOT, "%.3f", value));
    }

    void set(String name, long value) {
        fields.put(name, Long.toString(value));
    }

    /** A case of one thread, by the time that its processor was busy with it. */
    void processor(long busyNs, long tookNs, long operations) {
        set("ns_per_op", (double) busyNs / operations);
        set("wall_ns_per_op", (double) tookNs / operations);
        text("clock", "cpu");
        set("ops", operations);
    }

    /** What the other cases that repeat an operation have in common. */
    void operations(long tookNs, long[] each) {
        long all = Arrays.stream(each).sum();
        set("ns_per_op", (double) tookNs / Math.max(1, all));
        set("ops", all);
        fields.put("ops_per_thread", Arrays.toString(each));
        double least = Arrays.stream(each).min().orElse(0);
        set("fairness", least / Math.max(1, Arrays.stream(each).max().orElse(1)));
    }

    /** Percentiles of how long a get took. */
    void waits(long[] waits, double idealNs) {
        Arrays.sort(waits);
        if (waits.length > 0) {
            set("p50_wait_ns", waits[(int) ((waits.length - 1) * 0.50)]);
            set("p99_wait_ns", waits[(int) ((waits.length - 1) * 0.99)]);
            set("max_wait_ns", waits[waits.length - 1]);
        }
        set("ideal_wait_ns", idealNs);
    }

    /** What the ledger says of a pool that was to open so many connections. */
    void ledger(Options options) {
        Ledger ledger = options.ledger();
        set("opened", ledger.opened.get());
        set("over_limit", Math.max(0, ledger.opened.get() - options.connections()));
        set("lent_twice", ledger.lentTwice.get());
    }

    void print() {
        StringJoiner line = new StringJoiner(", ", "{", "}");
        fields.forEach((name, value) -> line.add(quoted(name) + ": " + value));
        System.out.println(line);
    }
}
