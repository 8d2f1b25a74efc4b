package bench.rivals;

import bench.Conn;
import bench.Options;
import bench.QuietConnection;
import bench.QuietSource;
import bench.Rival;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;

/** HikariCP as it is used: getConnection() of its DataSource, close() to return. */
public final class HikariCP implements Rival<Connection> {
    private HikariDataSource source;

    @Override
    public String notes() {
        return "HikariDataSource over connections that do nothing; no order among those"
                + " who wait; a get waits 250 ms at least before it gives up";
    }

    @Override
    public void open(Options options) {
        HikariConfig config = new HikariConfig();
        config.setDataSource(new QuietSource(options));
        config.setMaximumPoolSize(options.connections());
        config.setMinimumIdle(options.idle());
        config.setConnectionTimeout(options.limitMs());
        source = new HikariDataSource(config);
    }

    @Override
    public long leastLimitMs() {
        return 250;
    }

    @Override
    public Connection get() throws SQLException {
        try {
            return source.getConnection();
        } catch (SQLTransientConnectionException late) {
            return null;
        }
    }

    @Override
    public void put(Connection lent) throws SQLException {
        lent.close();
    }

    @Override
    public Conn conn(Connection lent) throws SQLException {
        return lent.unwrap(QuietConnection.class).conn();
    }

    @Override
    public void close() {
        source.close();
    }
}
