package bench;

import java.util.HashMap;
import java.util.Map;

/** What a sample is asked for. */
public final class Arguments {
    /** Connections that exist before the callers of a spike come. */
    static final int SPIKE_IDLE = 5;

    private final Map<String, String> given = new HashMap<>();
    private final int[] usual;

    Arguments(String[] words) {
        for (int i = 0; i < words.length; i++) {
            if (words[i].equals("--list")) {
                given.put("list", "");
            } else if (words[i].startsWith("--") && i + 1 < words.length) {
                given.put(words[i].substring(2), words[++i]);
            } else {
                throw new IllegalArgumentException("what is " + words[i] + "?");
            }
        }
        usual = usual(name());
    }

    /** Threads, connections and callers of a case when nobody says otherwise. */
    private static int[] usual(String name) {
        return switch (name) {
            case "parallel" -> new int[] {2, 2, 0};
            case "contended" -> new int[] {16, 4, 0};
            case "duel" -> new int[] {2, 1, 0};
            case "waiters" -> new int[] {1, 1, 100};
            case "spike" -> new int[] {1, 50, 50};
            case "memory" -> new int[] {1, 1000, 0};
            default -> new int[] {1, 8, 0};
        };
    }

    boolean list() {
        return given.containsKey("list");
    }

    /** The name of the case. */
    String name() {
        return given.getOrDefault("case", "");
    }

    String subject() {
        return given.getOrDefault("subject", "");
    }

    private double number(String name, double otherwise) {
        String word = given.get(name);
        return word == null ? otherwise : Double.parseDouble(word);
    }

    long runNs() {
        return (long) (number("seconds", 0.3) * 1e9);
    }

    /** Long enough for the compiler, which works behind the loop. */
    long warmUpNs() {
        return (long) (number("warm-up", 1.5) * 1e9);
    }

    int threads() {
        return (int) number("threads", usual[0]);
    }

    int connections() {
        return (int) number("connections", usual[1]);
    }

    int callers() {
        return (int) number("callers", usual[2]);
    }

    long holdNs() {
        return (long) (number("hold-us", 20) * 1e3);
    }

    long dialMs() {
        return (long) number("dial-ms", 150);
    }

    long useMs() {
        return (long) number("use-ms", 2);
    }
}
