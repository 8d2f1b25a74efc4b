# What a program does wrong is an error that says so, never a crash.
require_relative "support"

class MisuseTest < PoolTest
  def refused(error, word, **options)
    assert_includes assert_raises(error) { Ncp::Pool.new(**options) }.message, word
  end

  def test_a_configuration_says_what_is_wrong_with_it
    refused(Ncp::ENOTFOUND, "bogus", bogus: 1)
    refused(Ncp::EINVALIDCONFIG, "sideways", target: TCP, idle_order: "sideways")
    refused(Ncp::EINVALIDCONFIG, "max_connections", target: TCP, max_connections: -4)
    refused(Ncp::EINVALIDCONFIG, "nowhere", target: "nowhere")
    refused(Ncp::EINVALIDCONFIG, "queue", target: TCP, driver: "pull")
    assert_raises(Ncp::EINVALIDCONFIG) { Ncp.target_check("tcp://") }
    error = assert_raises(Ncp::ESYS) { Ncp.listen("unix:/no/such/folder/socket", 1) }
    assert_equal Ncp::NCP_ESYS, error.status
    config = Ncp::Config.new(target: TCP, get_timeout: "1500ms")
    assert_equal "1.5s", config[:get_timeout]
    config[:name] = "copied"
    assert_equal "copied", config.copy[:name]
    assert_raises(Ncp::ENOTFOUND) { config.get("bogus") }
  end

  def test_errors_are_classes_by_status
    assert_operator Ncp::ETIMEOUT, :<, Ncp::Error
    assert_equal Ncp::NCP_ETIMEOUT, Ncp::ETIMEOUT::STATUS
    pool = push
    error = assert_raises(Ncp::Error) { pool.put(1) }
    assert_equal [Ncp::EINVALIDCONN, Ncp::NCP_EINVALIDCONN, 0],
                 [error.class, error.status, error.code]
    assert_equal Ncp.status_text(error.status), error.message
    pool.free
  end

  def test_a_lease_ends_once
    pool, queue = pull
    other, = pull
    conn = borrow(pool)
    assert_raises(Ncp::EINVALIDCONN) { other.put(conn.lease) }
    pool.put(conn.lease)
    stale = [-> { pool.put(conn.lease) }, -> { pool.discard(conn.lease) },
             -> { pool.detach(conn.lease) }, -> { pool.lease_fd(conn.lease) },
             -> { pool.fulfil(conn.lease, 0) }, -> { pool.fail(conn.lease) },
             -> { pool.checked(conn.lease, true) }, -> { pool.ticket_take(conn.lease) }]
    stale.each { |use| assert_raises(Ncp::EINVALIDCONN, &use) }
    events, error = pool.release(conn.lease)
    assert_equal [[], Ncp::EINVALIDCONN], [events, error.class]
    assert_equal 1, shut(pool, queue)
    other.free
  end

  def test_an_object_that_was_freed_is_refused
    pool, queue = pull
    event = borrow(pool)
    pool.put(event.lease)
    config = Ncp::Config.new
    clock = Ncp::Clock.new
    shut(pool, queue)
    [queue, config, clock].each(&:free)
    uses = [-> { pool.free }, -> { pool.close }, -> { pool.acquire }, -> { queue.free },
            -> { pool.describe }, -> { queue.poll }, -> { queue.wait(1) },
            -> { config[:name] = "x" }, -> { Ncp::Pool.new(config) }, -> { clock.set(1) },
            -> { Ncp::Config.new(queue: queue) }, -> { pool.dup.close }, -> { pool.close_wait(1) }]
    uses.each { |use| assert_raises(Ncp::FreedError, TypeError, &use) }
    assert_same pool, event.pool # the object is there, and empty
  end

  def test_a_queue_that_was_freed_is_no_missing_queue
    pool, queue = pull(max_connections: 1)
    mine = Ncp::Queue.new
    mine.free
    assert_raises(Ncp::FreedError) { pool.acquire(queue: mine) }
    assert_raises(Ncp::FreedError) { pool.release(1, queue: mine) }
    assert_equal 0, pool.stats[:total]
    assert_equal 0, shut(pool, queue)
  end

  def test_a_queue_freed_while_a_thread_waits
    queue = Ncp::Queue.new
    waiter = Thread.new { queue.wait(200) }
    waiter.report_on_exception = false
    Thread.pass until waiter.stop?
    queue.free
    assert_raises(Ncp::FreedError, IOError, SystemCallError) { waiter.value }
  end

  def test_the_pool_keeps_the_queue_that_its_program_has_freed
    pool, queue = pull
    queue.free
    conn = borrow(pool)
    ask(conn.fd, "still there")
    IO.for_fd(pool.detach(conn.lease)).close
    pool.free
  end

  def test_what_is_no_object_of_ours_is_refused
    pool, queue = pull
    [$stdout, queue, {}, 7, "pool", Object.new, Thread.current, Ncp::Clock.new].each do |wrong|
      assert_raises(TypeError) { Ncp.ncp_pool_close(wrong) }
      assert_raises(TypeError) { pool.acquire(queue: wrong == queue ? pool : wrong) }
    end
    assert_raises(Ncp::EINVAL) { Ncp.ncp_pool_close(nil) }
    assert_raises(TypeError) { pool.put("lease") }
    assert_raises(ArgumentError) { pool.put }
    assert_raises(Ncp::EINVALIDCONN) { pool.put(-1) }
    assert_raises(RangeError, TypeError) { pool.acquire(protocol: 1 << 40) }
    assert_raises(NoMethodError, TypeError) { Ncp::Pool.allocate }
    assert_raises(NoMethodError) { borrow(pool).lease = 1 }
    pool.close_now
    assert_equal 1, close_all(queue)
  end

  def test_the_wrong_driver_says_so
    pool, = pull
    assert_raises(Ncp::ESTATE) { pool.get }
    assert_raises(Ncp::ESTATE) { pool.borrow }
    other = push
    assert_raises(Ncp::ESTATE) { other.acquire }
    [pool, other].each(&:free)
  end

  def test_a_closed_pool_says_so
    pool, queue = pull(max_connections: 1)
    conn = borrow(pool)
    ticket = pool.acquire.ticket
    pool.close
    pool.close
    assert_raises(Ncp::ECLOSED) { pool.ticket_take(ticket) }
    assert_raises(Ncp::ECLOSED) { pool.acquire }
    ask(conn.fd, "still usable")
    events, error = pool.release(conn.lease, queue: queue)
    assert_equal [Ncp::EVENT_CLOSE], events.map(&:type)
    assert_nil error
    IO.for_fd(events[0].fd).close
    pool.free
  end
end
