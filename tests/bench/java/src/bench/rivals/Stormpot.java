package bench.rivals;

import bench.Conn;
import bench.Options;
import bench.Rival;
import java.util.concurrent.TimeUnit;
import stormpot.Allocator;
import stormpot.BasePoolable;
import stormpot.Pool;
import stormpot.PoolTap;
import stormpot.Slot;
import stormpot.Timeout;

/** Stormpot: its size is fixed, a thread of its own allocates. */
public class Stormpot implements Rival<Stormpot.Lent> {
    private Pool<Lent> pool;
    private PoolTap<Lent> source;
    private Timeout limit;

    /** What it lends knows the way back. */
    static final class Lent extends BasePoolable {
        final Conn conn;

        Lent(Slot slot, Conn conn) {
            super(slot);
            this.conn = conn;
        }
    }

    private record Maker(Options options) implements Allocator<Lent> {
        @Override
        public Lent allocate(Slot slot) throws Exception {
            return new Lent(slot, Conn.open(options));
        }

        @Override
        public void deallocate(Lent lent) {
            // A connection that does nothing needs no end.
        }
    }

    /** The same by a tap that belongs to one thread. */
    public static final class Tap extends Stormpot {
        @Override
        PoolTap<Lent> source(Pool<Lent> pool) {
            return pool.getThreadLocalTap();
        }
    }

    PoolTap<Lent> source(Pool<Lent> made) {
        return made;
    }

    @Override
    public String notes() {
        return "as built; of fixed size: it opens all connections, whatever is asked for";
    }

    @Override
    public void open(Options options) {
        pool = Pool.fromThreaded(new Maker(options)).setSize(options.connections()).build();
        source = source(pool);
        limit = new Timeout(options.limitMs(), TimeUnit.MILLISECONDS);
    }

    @Override
    public Lent get() throws InterruptedException {
        return source.claim(limit);
    }

    @Override
    public void put(Lent lent) {
        lent.release();
    }

    @Override
    public Conn conn(Lent lent) {
        return lent.conn;
    }

    @Override
    public void close() {
        pool.shutdown();
    }
}
