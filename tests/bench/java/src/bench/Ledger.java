package bench;

import java.util.concurrent.atomic.AtomicInteger;

/** Counts what was opened and lent, whatever the pool itself says. */
public final class Ledger {
    final AtomicInteger opened = new AtomicInteger();
    final AtomicInteger lent = new AtomicInteger();
    final AtomicInteger peak = new AtomicInteger();
    final AtomicInteger lentTwice = new AtomicInteger();
}
