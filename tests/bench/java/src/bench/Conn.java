package bench;

import java.util.concurrent.atomic.AtomicBoolean;

/** A connection that does nothing. */
public final class Conn {
    private final Ledger ledger;
    private final AtomicBoolean held = new AtomicBoolean();

    private Conn(Ledger ledger) {
        this.ledger = ledger;
    }

    /** Dials: takes the time that was asked for, and counts. */
    public static Conn open(Options options) throws InterruptedException {
        if (options.dialMs() > 0) {
            Thread.sleep(options.dialMs());
        }
        options.ledger().opened.incrementAndGet();
        return new Conn(options.ledger());
    }

    /** From here to end() nobody else may have this connection. */
    void begin() {
        if (held.getAndSet(true)) {
            ledger.lentTwice.incrementAndGet();
        }
        ledger.peak.accumulateAndGet(ledger.lent.incrementAndGet(), Math::max);
    }

    void end() {
        ledger.lent.decrementAndGet();
        held.set(false);
    }
}
