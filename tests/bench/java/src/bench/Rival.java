package bench;

/**
 * A pool at work.
 *
 * @param <L> what it lends
 */
public interface Rival<L> {
    String notes();

    void open(Options options) throws Exception;

    /** Waits as long as the options say; null when that was not enough. */
    L get() throws Exception;

    void put(L lent) throws Exception;

    Conn conn(L lent) throws Exception;

    void close() throws Exception;

    /** The shortest limit of a get that the pool accepts. */
    default long leastLimitMs() {
        return 1;
    }
}
