# The push driver from Ruby, and calls that block while other threads go on.
require_relative "support"

class PushTest < PoolTest
  def test_get_ask_put
    pool = push(max_connections: 1)
    300.times do |i|
      lease = pool.get
      ask(pool.lease_fd(lease), "request #{i}")
      pool.put(lease)
    end
    assert_equal [1, 300], pool.stats.values_at(:created, :successful)
    pool.free
  end

  def test_borrow_says_everything_about_the_connection
    pool = push
    event = pool.borrow(tag: (2**64) - 1, protocol: Ncp::PROTOCOL_TCP)
    assert_equal [Ncp::EVENT_CONN, (2**64) - 1, Ncp::IP_V4, 0],
                 [event.type, event.tag, event.ip, event.reused]
    ask(event.fd, "hello")
    pool.discard(event.lease)
    assert_equal 1, pool.stats[:closed]
    pool.free
  end

  def test_every_way_to_get
    pool = push(max_connections: 1)
    %i[get get_tcp get_ipv4 try_get].each { |way| pool.put(pool.public_send(way)) }
    pool.put(pool.get_timeout(1000))
    pool.put(pool.get_ex(Ncp::PROTOCOL_TCP, Ncp::IP_V4, 1000, 5))
    lease = pool.get
    [-> { pool.get_timeout(10) }, -> { pool.borrow(timeout_ms: 10) },
     -> { pool.get_ex(0, 0, 10, 0) }].each { |way| assert_raises(Ncp::ETIMEOUT, &way) }
    assert_raises(Ncp::EEXHAUSTED) { pool.try_get }
    assert_raises(Ncp::EUNSUPPORTEDPROTO) { pool.borrow(protocol: 77) }
    pool.put(lease)
    pool.free
  end

  def test_threads_share_two_connections
    pool = push(max_connections: 2)
    threads = Array.new(8) do |number|
      Thread.new do
        100.times do |i|
          lease = pool.get
          ask(pool.lease_fd(lease), "#{number}: #{i}")
          pool.put(lease)
        end
      end
    end
    threads.each(&:join)
    stats = pool.stats
    assert_operator stats[:created], :<=, 2
    assert_equal [800, 0, 0], stats.values_at(:successful, :failed, :active)
    pool.free
  end

  def test_who_waits_lets_others_run_and_is_served_in_order
    pool = push(max_connections: 1)
    lease = pool.get
    order = Thread::Queue.new
    threads = Array.new(5) do |number|
      thread = Thread.new do
        mine = pool.get
        order << number
        pool.put(mine)
      end
      Thread.pass until pool.waiting_count == number + 1
      thread
    end
    pool.put(lease)
    threads.each(&:join)
    assert_equal [0, 1, 2, 3, 4], Array.new(5) { order.pop }
    pool.free
  end

  def test_an_interrupted_thread_stops_waiting
    pool = push(max_connections: 1)
    lease = pool.get
    [-> { pool.borrow }, -> { pool.get }].each do |way|
      error = assert_raises(RuntimeError) do
        waiter = Thread.new(&way)
        waiter.report_on_exception = false
        Thread.pass until pool.waiting_count == 1
        waiter.raise("enough")
        waiter.join
      end
      assert_equal "enough", error.message
    end
    assert_raises(Timeout::Error) { Timeout.timeout(0.05) { pool.get } }
    killed = Thread.new { pool.get }
    Thread.pass until pool.waiting_count == 1
    killed.kill.join
    assert_equal [0, 4], [pool.waiting_count, pool.stats[:canceled]]
    pool.put(lease)
    pool.put(pool.get)
    pool.free
  end

  def test_a_signal_that_raises_nothing_keeps_the_place_in_line
    pool = push(max_connections: 1)
    lease = pool.get
    handled = 0
    before = trap(:USR1) { handled += 1 }
    giver = Thread.new do
      3.times do |i|
        Thread.pass until pool.waiting_count == 1
        Process.kill(:USR1, Process.pid)
        Thread.pass until handled > i
      end
      pool.put(lease)
    end
    pool.put(pool.get) # on the main thread, where handlers run
    giver.join
    trap(:USR1, before || "DEFAULT")
    assert_equal [3, 2, 0], [handled, *pool.stats.values_at(:successful, :canceled)]
    pool.free
  end

  def test_waiting_for_a_ticket_or_an_event_lets_others_run
    pool, queue = pull(max_connections: 1)
    conn = borrow(pool)
    ticket = pool.acquire.ticket
    putter = Thread.new { pool.put(conn.lease) }
    pool.put(pool.ticket_wait(ticket, -1).lease)
    putter.join
    kicker = Thread.new { queue.kick }
    assert_equal [Ncp::EVENT_KICK], queue.wait.map(&:type)
    kicker.join
    assert_empty queue.wait(5)
    waiter = Thread.new { queue.wait }
    waiter.kill.join
    assert_equal 1, shut(pool, queue)
  end

  def test_a_pool_freed_by_one_thread_is_no_harm_to_another
    pool = push(max_connections: 1)
    lease = pool.get
    waiter = Thread.new { pool.get }
    waiter.report_on_exception = false
    Thread.pass until pool.waiting_count == 1
    pool.close
    assert_raises(Ncp::ECLOSED) { waiter.value }
    waiter = Thread.new { pool.close_wait(-1) }
    waiter.report_on_exception = false
    Thread.pass until waiter.stop?
    pool.put(lease)
    waiter.join
    pool.free
    pulled, queue = pull(max_connections: 1)
    conn = borrow(pulled)
    ticket = pulled.acquire.ticket
    waiter = Thread.new { pulled.ticket_wait(ticket, 100) }
    Thread.pass until waiter.stop?
    pulled.free # the wait has a handle of its own
    queue.free
    assert_nil waiter.value
    IO.for_fd(conn.fd).close
  end

  def test_closing_waits_for_who_is_still_out
    pool = push
    lease = pool.get
    assert_raises(Ncp::ETIMEOUT) { pool.close_wait(5) }
    giver = Thread.new { pool.put(lease) }
    pool.close_wait(5000)
    giver.join
    assert pool.closed?
    other = push
    lease = other.get
    assert_raises(Ncp::ETIMEOUT) { other.drain(5) }
    other.put(lease)
    [pool, other].each(&:free)
  end

  def test_prewarming_is_waited_for
    pool = push(min_connections: 3)
    pool.prewarm_wait(5000)
    assert_equal 3, pool.idle_count
    pool.free
  end

  def test_options_are_read_and_changed
    pool = push(max_connections: 3, get_timeout: "1m")
    assert_equal 60_000, pool.option(:get_timeout)
    pool.set("get_timeout", 250)
    assert_equal 250, pool.option(Ncp::OPTION_GET_TIMEOUT)
    assert_raises(Ncp::ESTATE) { pool.set(:mode, 1) }
    assert_raises(Ncp::ENOTFOUND) { pool.set(:bogus, 1) }
    pool.resize(5)
    assert_equal 5, pool.option(:max_connections)
    pool.free
  end

  def test_a_pool_is_found_by_its_name
    pool = push(name: "found by name")
    other = Ncp.find("found by name")
    other.put(pool.get)
    pool.free
    refute other.closed?
    other.free
    assert_raises(Ncp::ENOTFOUND) { Ncp.find("found by name") }
  end

  def test_datagrams
    pool = push(target: UDP)
    lease = pool.get_udp
    ask(pool.lease_fd(lease), "datagram")
    pool.put(lease)
    assert_equal 1, pool.stats[:udp]
    pool.free
  end
end
