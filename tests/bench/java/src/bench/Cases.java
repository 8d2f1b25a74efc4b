package bench;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CyclicBarrier;

/** The cases, for one pool. */
final class Cases<L> {
    private static final int BATCH = 256;
    private static final int MOST_WAITS = 1 << 17;
    private static final long SETTLE_MS = 200;
    private static final long STACK = 128 << 10;

    /** What somebody does who is called at the same moment as all others. */
    interface Call {
        void run(int index) throws Exception;
    }

    private final Rival<L> rival;
    private final Arguments arguments;
    private final Report report;
    private volatile boolean stop;
    private volatile Throwable failure;

    Cases(Rival<L> rival, Arguments arguments) {
        this.rival = rival;
        this.arguments = arguments;
        this.report = new Report(arguments, rival.notes());
    }

    Report run() throws Exception {
        switch (arguments.name()) {
            case "uncontended" -> uncontended();
            case "parallel", "contended", "duel" -> workers();
            case "waiters" -> waiters();
            case "spike" -> spike();
            case "memory" -> memory();
            default -> throw new IllegalArgumentException("no such case");
        }
        if (failure != null) {
            throw new IllegalStateException(failure);
        }
        return report;
    }

    // ---------------------------------------------------------------- the pool

    /** A pool in which all connections exist already. */
    private Options filled() throws Exception {
        Options options = Options.full(arguments.connections());
        rival.open(options);
        takeAll(options.connections());
        return options;
    }

    /** Fails when not all connections can be had together: some got lost. */
    private void takeAll(int count) throws Exception {
        List<L> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            L lent = rival.get();
            if (lent == null) {
                throw new IllegalStateException("a connection got lost");
            }
            all.add(lent);
        }
        for (L lent : all) {
            rival.put(lent);
        }
    }

    private void verify(Options options) throws Exception {
        takeAll(options.connections());
        report.ledger(options);
        rival.close();
    }

    // ------------------------------------------------------------- one thread

    private void uncontended() throws Exception {
        Options options = filled();
        ThreadMXBean clock = ManagementFactory.getThreadMXBean();
        repeat(arguments.warmUpNs());
        long begin = System.nanoTime();
        long busy = clock.getCurrentThreadCpuTime();
        long operations = repeat(arguments.runNs());
        report.processor(
                clock.getCurrentThreadCpuTime() - busy,
                System.nanoTime() - begin, operations);
        verify(options);
    }

    private long repeat(long timeNs) throws Exception {
        long operations = 0;
        long begin = System.nanoTime();
        while (System.nanoTime() - begin < timeNs) {
            for (int i = 0; i < BATCH; i++) {
                rival.put(rival.get());
            }
            operations += BATCH;
        }
        return operations;
    }

    // ------------------------------------------------------------ some threads

    /** parallel, contended, duel: threads that borrow until they are told to stop. */
    private void workers() throws Exception {
        Options options = filled();
        boolean contended = arguments.name().equals("contended");
        work(arguments.warmUpNs(), contended);
        options.ledger().lentTwice.set(0);
        Work done = work(arguments.runNs(), contended);
        report.operations(done.tookNs, done.operations);
        if (contended) {
            report.waits(done.waits(), idealWaitNs());
        }
        verify(options);
    }

    /** What all workers have done together. */
    private static final class Work {
        final long[] operations;
        final long[][] waits;
        long tookNs;

        Work(int workers, boolean timed) {
            operations = new long[workers];
            waits = new long[workers][timed ? MOST_WAITS : 0];
        }

        long[] waits() {
            return java.util.stream.IntStream.range(0, waits.length)
                    .boxed()
                    .flatMapToLong(i -> Arrays.stream(
                            waits[i], 0, (int) Math.min(operations[i], MOST_WAITS)))
                    .toArray();
        }
    }

    private Work work(long timeNs, boolean contended) throws Exception {
        Work work = new Work(arguments.threads(), contended);
        stop = false;
        List<Thread> workers = call(arguments.threads(), i -> {
            work.operations[i] = contended ? borrowBusily(work.waits[i]) : borrow();
        });
        long begin = System.nanoTime();
        Thread.sleep(timeNs / 1_000_000, (int) (timeNs % 1_000_000));
        stop = true;
        work.tookNs = System.nanoTime() - begin;
        join(workers);
        return work;
    }

    private long borrow() throws Exception {
        long operations = 0;
        while (!stop) {
            rival.put(rival.get());
            operations++;
        }
        return operations;
    }

    private long borrowBusily(long[] waits) throws Exception {
        int operations = 0;
        while (!stop) {
            long begin = System.nanoTime();
            L lent = rival.get();
            long had = System.nanoTime();
            if (operations < MOST_WAITS) {
                waits[operations] = had - begin;
            }
            Conn conn = rival.conn(lent);
            conn.begin();
            while (System.nanoTime() - had < arguments.holdNs()) {
                Thread.onSpinWait();
            }
            conn.end();
            rival.put(lent);
            operations++;
        }
        return operations;
    }

    /** No more connections than there are processors can be held busily at once. */
    private double idealWaitNs() {
        int processors = Runtime.getRuntime().availableProcessors();
        double places = Math.min(arguments.connections(), processors);
        return Math.max(0, arguments.threads() / places - 1) * arguments.holdNs();
    }

    // ----------------------------------------------------------------- a crowd

    private void waiters() throws Exception {
        Options options = filled();
        List<L> held = holdAll();
        List<Thread> crowd = call(arguments.callers(), i -> rival.put(rival.get()));
        Thread.sleep(SETTLE_MS);
        long begin = System.nanoTime();
        for (L lent : held) {
            rival.put(lent);
        }
        join(crowd);
        double handOff = (double) (System.nanoTime() - begin) / arguments.callers();
        verify(options);
        report.set("ns_per_op", handOff);
        report.set("ops", arguments.callers());
        report.set("handoff_ns", handOff);
        report.set("timeout_ns", (double) storm() / arguments.callers());
    }

    private List<L> holdAll() throws Exception {
        List<L> held = new ArrayList<>();
        for (int i = 0; i < arguments.connections(); i++) {
            held.add(rival.get());
        }
        return held;
    }

    /** All wait in vain: standing in line, expiry and wake-up, beyond the limit. */
    private long storm() throws Exception {
        int count = arguments.connections();
        long limitMs = rival.leastLimitMs();
        rival.open(new Options(new Ledger(), count, count, 0, limitMs));
        Thread.sleep(SETTLE_MS);
        List<L> held = holdAll();
        List<Thread> crowd = call(arguments.callers(), i -> {
            if (rival.get() != null) {
                throw new IllegalStateException("lent while held");
            }
        });
        long begin = System.nanoTime();
        join(crowd);
        long took = System.nanoTime() - begin;
        for (L lent : held) {
            rival.put(lent);
        }
        rival.close();
        return Math.max(0, took - limitMs * 1_000_000);
    }

    private void spike() throws Exception {
        Options options = new Options(new Ledger(), arguments.connections(),
                Arguments.SPIKE_IDLE, arguments.dialMs(), Options.PATIENT_MS * 2);
        rival.open(options);
        Thread.sleep(arguments.dialMs() * (Arguments.SPIKE_IDLE + 1));
        takeAll(Arguments.SPIKE_IDLE);
        List<Thread> callers = call(arguments.callers(), i -> {
            L lent = rival.get();
            rival.conn(lent).begin();
            Thread.sleep(arguments.useMs());
            rival.conn(lent).end();
            rival.put(lent);
        });
        long begin = System.nanoTime();
        join(callers);
        long took = System.nanoTime() - begin;
        settle(options.ledger());
        report.set("ns_per_op", (double) took / arguments.callers());
        report.set("ops", arguments.callers());
        report.set("total_ms", took / 1e6);
        report.ledger(options);
        report.set("peak", options.ledger().peak.get());
        rival.close();
    }

    /** Waits until no dial has come to its end for as long as two of them take. */
    private void settle(Ledger ledger) throws InterruptedException {
        int before;
        do {
            before = ledger.opened.get();
            Thread.sleep(arguments.dialMs() * 2);
        } while (ledger.opened.get() != before);
    }

    /** Threads that all begin when this returns. */
    private List<Thread> call(int count, Call call) throws Exception {
        CyclicBarrier start = new CyclicBarrier(count + 1);
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int index = i;
            threads.add(new Thread(null, () -> begin(start, call, index), "", STACK));
        }
        try {
            threads.forEach(Thread::start);
        } catch (OutOfMemoryError error) {
            System.err.println(error.getMessage());
            Runtime.getRuntime().halt(Main.UNABLE);
        }
        start.await();
        return threads;
    }

    private void begin(CyclicBarrier start, Call call, int index) {
        try {
            start.await();
            call.run(index);
        } catch (Throwable thrown) {
            failure = thrown;
        }
    }

    private static void join(List<Thread> threads) throws InterruptedException {
        for (Thread thread : threads) {
            thread.join();
        }
    }

    // ------------------------------------------------------------------ memory

    private void memory() throws Exception {
        int count = arguments.connections();
        weigh(1); // what is made but once in a process
        double empty = weigh(0);
        double full = count > 0 ? weigh(count) : empty;
        report.set("pool_bytes", full);
        if (count > 0) {
            report.set("connection_bytes", (full - empty) / count);
        }
    }

    /** Bytes of the heap that a pool of so many connections keeps. */
    private double weigh(int count) throws Exception {
        long before = heap();
        rival.open(new Options(new Ledger(), Math.max(1, count), count, 0,
                Options.PATIENT_MS));
        takeAll(count);
        long bytes = heap() - before;
        rival.close();
        return bytes;
    }

    private static long heap() throws InterruptedException {
        for (int i = 0; i < 3; i++) {
            System.gc();
            Thread.sleep(20);
        }
        Runtime runtime = Runtime.getRuntime();
        return runtime.totalMemory() - runtime.freeMemory();
    }
}
