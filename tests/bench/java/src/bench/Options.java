package bench;

/**
 * How a pool is to be opened.
 *
 * @param idle connections that it keeps idle, where it can be told to
 * @param limitMs how long a get may wait
 */
public record Options(Ledger ledger, int connections, int idle, long dialMs, long limitMs) {
    static final long PATIENT_MS = 5000;

    static Options full(int connections) {
        return new Options(new Ledger(), connections, connections, 0, PATIENT_MS);
    }
}
