# The pull driver from Ruby: everything a host does.
require_relative "support"

class PullTest < PoolTest
  def test_requests_over_the_pool_share_its_connections
    pool, queue = pull(name: "echo", max_connections: 2)
    200.times do |i|
      one = borrow(pool, tag: i)
      two = borrow(pool)
      assert_equal i, one.tag
      ask(one.fd, "request #{i}")
      ask(two.fd, "x" * (i + 1))
      assert_equal [one.lease, two.lease].sort, pool.leases.sort
      assert_equal [[], nil], pool.release(one.lease)
      pool.put(two.lease)
    end
    stats = pool.stats
    assert_equal [2, 400, 398, 2], stats.values_at(:created, :successful, :reused, :tcp_idle)
    assert_includes pool.describe, "pool echo: open"
    assert_equal 2, shut(pool, queue)
  end

  def test_a_connection_is_an_object_of_the_host
    host, port = TCP.delete_prefix("tcp://").split(":")
    sockets = {}
    pool, queue = pull(max_connections: 1)
    50.times do |i|
      event = pool.acquire(flags: Ncp::FLAG_DIALS)
      if event.type == Ncp::EVENT_DIAL
        sockets[1] = TCPSocket.new(host, port)
        event = pool.fulfil(event.lease, sockets[1], handle: 1)
      end
      assert_equal Ncp::PROTOCOL_TCP, event.protocol
      sockets[event.handle].puts "line #{i}"
      assert_equal "line #{i}\n", sockets[event.handle].gets
      pool.put(event.lease)
    end
    pool.close
    event, = queue.poll
    assert_equal Ncp::EVENT_CLOSE, event.type
    sockets.delete(event.handle).close
    assert_empty sockets
  end

  def test_a_dial_that_no_caller_makes_comes_out_of_the_queue
    pool, queue = pull(max_connections: 1)
    pending = pool.acquire(queue: queue, tag: 7)
    assert_equal Ncp::EVENT_PENDING, pending.type
    work, = queue.wait(5000)
    assert_same pool, work.pool
    assert_equal Ncp::EVENT_NONE, dial(pool, work).type
    ready, = queue.wait(5000)
    assert_equal [Ncp::EVENT_READY, 7], [ready.type, ready.tag]
    conn = pool.ticket_take(ready.ticket)
    ask(conn.fd, "late")
    assert_raises(Ncp::EINVALIDCONN) { pool.ticket_take(ready.ticket) }
    pool.put(conn.lease)
    assert_equal 1, shut(pool, queue)
  end

  def test_who_waits_is_served_in_order
    pool, queue = pull(max_connections: 1)
    conn = borrow(pool)
    6.times { |tag| pool.acquire(queue: queue, tag: tag) }
    assert_equal 6, pool.waiting_count
    order = Array.new(6) do
      events, error = pool.release(conn.lease, queue: queue)
      assert_nil error
      assert_equal [Ncp::EVENT_READY], events.map(&:type)
      conn = pool.ticket_take(events[0].ticket)
      events[0].tag
    end
    assert_equal [0, 1, 2, 3, 4, 5], order
    pool.put(conn.lease)
    assert_equal 1, shut(pool, queue)
  end

  def test_who_gives_up_leaves_its_place_to_the_next
    pool, queue = pull(max_connections: 1)
    conn = borrow(pool)
    tickets = Array.new(3) { |tag| pool.acquire(queue: queue, tag: tag).ticket }
    pool.ticket_abandon(tickets[0])
    events, = pool.release(conn.lease, queue: queue)
    assert_equal [1], events.map(&:tag)
    pool.ticket_abandon(tickets[1], Ncp::NCP_ETIMEOUT)
    ready, = queue.poll
    assert_equal 2, ready.tag
    pool.put(pool.ticket_take(ready.ticket).lease)
    assert_equal [1, 1], pool.stats.values_at(:canceled, :timeout)
    assert_equal 1, shut(pool, queue)
  end

  def test_a_queue_takes_tickets_by_itself
    pool, queue = pull(max_connections: 1)
    conn = borrow(pool)
    pool.acquire(queue: queue, tag: 9, flags: Ncp::FLAG_TAKE)
    events, = pool.release(conn.lease, queue: queue)
    assert_equal [[Ncp::EVENT_CONN, 9]], events.map { |event| [event.type, event.tag] }
    pool.put(events[0].lease)
    assert_equal 1, shut(pool, queue)
  end

  def test_not_yet_is_nil
    pool, queue = pull(max_connections: 1)
    conn = borrow(pool)
    ticket = pool.acquire.ticket
    assert_nil pool.ticket_take(ticket)
    assert_nil pool.ticket_wait(ticket, 5)
    pool.put(conn.lease)
    pool.put(pool.ticket_wait(ticket, 5000).lease)
    assert_equal 1, shut(pool, queue)
  end

  def test_a_failed_dial_says_why
    pool, queue = pull(target: NOWHERE, max_connections: 1)
    event = pool.acquire(flags: Ncp::FLAG_DIALS)
    error = assert_raises(Ncp::EDIAL) { pool.dial_target(event.protocol, event.ip, -1) }
    assert_equal Errno::ECONNREFUSED::Errno, error.code
    assert_equal Ncp::EVENT_NONE, pool.fail(event.lease, error, code: error.code).type
    last = pool.dial_error
    assert_equal [error.code, 1, error.message], last.values_at(:code, :count, :text)
    # The same through the line, with an exception of Ruby.
    ticket = pool.acquire(queue: queue).ticket
    work, = queue.poll
    pool.fail(work.lease, Errno::EHOSTUNREACH.new("far away"))
    error = assert_raises(Ncp::EDIAL) { pool.ticket_take(ticket) }
    assert_equal Errno::EHOSTUNREACH::Errno, error.code
    assert_includes error.message, "far away"
    pool.free
  end

  def test_time_is_the_clock_of_a_test
    clock = Ncp::Clock.new
    pool, queue = pull(max_connections: 1, clock: clock, get_timeout: "2s",
                       idle_timeout: 1000, expiry_jitter: 0)
    conn = borrow(pool)
    ticket = pool.acquire.ticket
    clock.set(1999 * MS)
    pool.work
    assert_nil pool.ticket_take(ticket)
    clock.set(2000 * MS)
    pool.work
    assert_raises(Ncp::ETIMEOUT) { pool.ticket_take(ticket) }
    pool.put(conn.lease)
    clock.set(3001 * MS)
    assert_equal 0, pool.next_due_ms
    pool.work
    closed = queue.poll.select { |event| event.type == Ncp::EVENT_CLOSE }
    assert_equal(["idle_timeout"], closed.map { |event| Ncp.reason_text(event.reason) })
    closed.each { |event| IO.for_fd(event.fd).close }
    assert_equal 0, shut(pool, queue)
  end

  def test_a_connection_is_checked_before_it_is_lent
    pool, queue = pull(max_connections: 1, check_on_borrow: true)
    pool.put(borrow(pool).lease)
    check = pool.acquire(flags: Ncp::FLAG_DIALS)
    assert_equal Ncp::EVENT_CHECK, check.type
    conn = pool.checked(check.lease, Ncp.fd_alive(check.fd))
    assert_equal Ncp::EVENT_CONN, conn.type
    pool.put(conn.lease)
    check = pool.acquire(flags: Ncp::FLAG_DIALS)
    again = pool.checked(check.lease, false)
    assert_equal 1, close_all(queue)
    pool.put(dial(pool, again).lease)
    assert_equal 1, shut(pool, queue)
  end

  def test_a_host_may_refuse_what_is_lent
    pool, queue = pull(max_connections: 1, host_events: Ncp::HOST_BORROW)
    event = dial(pool, pool.acquire(flags: Ncp::FLAG_DIALS))
    assert_equal Ncp::EVENT_BORROW, event.type
    assert_raises(Ncp::EHOOK) { pool.checked(event.lease, false) }
    assert_equal 1, close_all(queue)
    pool.free
  end

  def test_leaks_and_lines_of_log_are_told
    clock = Ncp::Clock.new
    pool, queue = pull(max_connections: 1, clock: clock, leak_timeout: 100,
                       leak_interval: 10, log_level: "warn",
                       host_events: Ncp::HOST_LEAK | Ncp::HOST_LOG)
    conn = borrow(pool, tag: 4711)
    seen = Hash.new(0)
    lines = []
    40.times do |step|
      clock.set(step * 10 * MS)
      pool.work
      queue.poll.each do |event|
        seen[event.type] += 1
        IO.for_fd(event.fd).close if event.type == Ncp::EVENT_CLOSE
        while (_level, id, line = pool.log_next)
          assert_equal conn.conn_id, id
          lines << line
        end
      end
    end
    assert_equal [2, 1], seen.values_at(Ncp::EVENT_LEAK, Ncp::EVENT_CLOSE)
    assert_includes lines.first, "tag=4711"
    assert_raises(Ncp::ELEAKED) { pool.put(conn.lease) }
    assert_equal 0, shut(pool, queue)
  end

  def test_a_guard_gives_back_what_somebody_held
    pool, queue = pull(max_connections: 1)
    guard = Ncp::Guard.new
    conn = borrow(pool)
    guard.hold(pool, lease: conn.lease)
    guard.hold(pool, ticket: pool.acquire.ticket)
    guard.fire
    assert_raises(Ncp::FreedError) { guard.hold(pool) }
    assert_equal [0, 0], [pool.active_count, pool.waiting_count]
    assert_raises(Ncp::EINVALIDCONN) { pool.put(conn.lease) }
    assert_equal 1, shut(pool, queue)
  end

  def test_a_host_can_run_hooks_around_its_dial
    pool, queue = pull(max_connections: 1)
    event = pool.acquire(flags: Ncp::FLAG_DIALS)
    fd = pool.dial_target(event.protocol, event.ip, -1)
    id = pool.dialed(event.lease, fd, handle: 99)
    conn = pool.fulfil(event.lease, fd, handle: 99)
    assert_equal [id, 99, fd], [conn.conn_id, conn.handle, pool.lease_fd(conn.lease)]
    assert_equal id, pool.lease_info(conn.lease, Ncp::INFO_ID)
    assert_equal Ncp::REASON_NONE, pool.lease_keeps(conn.lease)
    assert_equal 99, pool.detach(conn.lease)
    IO.for_fd(fd).close
    assert_equal 0, shut(pool, queue)
  end

  def test_a_loop_waits_for_the_queue_as_for_any_descriptor
    pool, queue = pull(max_connections: 1)
    readable = IO.for_fd(queue.fd, autoclose: false)
    assert_nil readable.wait_readable(0)
    ticket = pool.acquire(queue: queue).ticket
    assert readable.wait_readable(5)
    work, = queue.poll
    assert_nil readable.wait_readable(0)
    dial(pool, work)
    assert readable.wait_readable(5)
    pool.put(pool.ticket_take(ticket).lease)
    assert_equal 1, shut(pool, queue)
  end
end
