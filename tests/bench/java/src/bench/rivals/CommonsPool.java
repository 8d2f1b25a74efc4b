package bench.rivals;

import bench.Conn;
import bench.Options;
import bench.Rival;
import java.time.Duration;
import java.util.NoSuchElementException;
import org.apache.commons.pool2.BasePooledObjectFactory;
import org.apache.commons.pool2.PooledObject;
import org.apache.commons.pool2.impl.DefaultPooledObject;
import org.apache.commons.pool2.impl.GenericObjectPool;

/** Apache commons-pool2: GenericObjectPool. */
public final class CommonsPool implements Rival<Conn> {
    private GenericObjectPool<Conn> pool;

    private static final class Factory extends BasePooledObjectFactory<Conn> {
        private final Options options;

        Factory(Options options) {
            this.options = options;
        }

        @Override
        public Conn create() throws InterruptedException {
            return Conn.open(options);
        }

        @Override
        public PooledObject<Conn> wrap(Conn conn) {
            return new DefaultPooledObject<>(conn);
        }
    }

    @Override
    public String notes() {
        return "GenericObjectPool, maxIdle raised to maxTotal (8 by default), the rest as"
                + " built: no order among those who wait, each dials for itself";
    }

    @Override
    public void open(Options options) throws Exception {
        pool = new GenericObjectPool<>(new Factory(options));
        pool.setMaxTotal(options.connections());
        pool.setMaxIdle(options.connections());
        pool.setMinIdle(options.idle());
        pool.setMaxWait(Duration.ofMillis(options.limitMs()));
        pool.preparePool();
    }

    @Override
    public Conn get() throws Exception {
        try {
            return pool.borrowObject();
        } catch (NoSuchElementException late) {
            return null;
        }
    }

    @Override
    public void put(Conn conn) {
        pool.returnObject(conn);
    }

    @Override
    public Conn conn(Conn lent) {
        return lent;
    }

    @Override
    public void close() {
        pool.close();
    }
}
