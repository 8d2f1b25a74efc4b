# Everything dropped, nothing freed, with the collector at full speed.
require_relative "support"

class GcTest < PoolTest
  LIMIT = 150

  # Runs a block with a collection at every chance there is.
  def stressed
    GC.stress = true
    yield
  ensure
    GC.stress = false
  end

  # Drops everything that nobody holds.
  def collect
    2.times { GC.start }
  end

  def test_dropped_objects_are_given_back
    before = descriptors
    100.times do
      queue = Ncp::Queue.new
      config = Ncp::Config.new(target: TCP, driver: "pull", queue: queue,
                               clock: Ncp::Clock.new, min_connections: 0)
      pool = Ncp::Pool.new(config)
      pool.fail(pool.acquire(flags: Ncp::FLAG_DIALS).lease, status: Ncp::NCP_ECANCELED)
    end
    collect
    # What is still on the stack may keep a few.
    assert_in_delta before, descriptors, 10
  end

  def test_a_pool_at_work_survives_the_collector
    pool, queue = pull(max_connections: 2)
    stressed do
      2.times do |i|
        conn = borrow(pool, tag: i)
        other = borrow(pool)
        waiting = pool.acquire(queue: queue, tag: i)
        ask(conn.fd, "request #{i}")
        events, = pool.release(conn.lease, queue: queue)
        assert_equal waiting.ticket, events[0].ticket
        pool.put(pool.ticket_take(events[0].ticket).lease)
        assert_includes pool.describe, "pool"
        assert_equal [other.lease], pool.leases
        pool.put(other.lease)
      end
      assert_equal 2, pool.stats[:created]
      assert_raises(Ncp::ENOTFOUND) { Ncp::Config.new(bogus: 1) }
    end
    assert_equal 2, shut(pool, queue)
  end

  def test_events_outlive_their_pool
    events = Array.new(50) do |i|
      pool, queue = pull
      pool.acquire(queue: queue, tag: i)
      queue.poll[0]
    end
    collect
    assert_equal [Ncp::EVENT_DIAL], events.map(&:type).uniq
    assert_operator events.count { |event| event.pool.nil? }, :>=, 40
  end

  def test_what_is_forgotten_in_the_middle_does_no_harm
    60.times do
      pool, queue = pull(max_connections: 1)
      conn = borrow(pool)
      Ncp::Guard.new.hold(pool, ticket: pool.acquire(queue: queue).ticket)
      ask(conn.fd, "hello")
      IO.for_fd(conn.fd).close # and nobody tells the pool
    end
    collect
  end

  def test_pools_of_the_library_are_dropped_while_they_work
    20.times do
      pool = push(min_connections: 2)
      lease = pool.get
      ask(pool.lease_fd(lease), "hello")
      pool.put(lease)
    end
    collect
  end

  def test_threads_wait_while_the_collector_runs
    pool = push(max_connections: 1)
    collector = Thread.new do
      loop { [GC.start(full_mark: false), sleep(0.001)] }
    end
    threads = Array.new(4) do
      Thread.new { 5.times { pool.put(pool.get) } }
    end
    threads.each(&:join)
    collector.kill.join
    assert_equal 20, pool.stats[:successful]
    pool.free
  end

  def test_compaction_moves_nothing_of_ours
    skip "no compaction in this Ruby" unless GC.respond_to?(:compact)
    pool, queue = pull(max_connections: 1)
    conn = borrow(pool)
    GC.compact
    ask(conn.fd, "hello")
    assert_same pool, conn.pool
    pool.put(conn.lease)
    assert_equal 1, shut(pool, queue)
  rescue NotImplementedError
    skip "no compaction on this system"
  end
end
