# What the tests in Ruby share.
#
#     ruby pull_test.rb TCP-TARGET UDP-TARGET
TCP, UDP = ARGV.shift(2) # an echo server
NOWHERE = "tcp://127.0.0.1:1".freeze # nobody listens there
MS = 1_000_000 # ns

require "minitest/autorun"
require "socket"
require "timeout"
require "ncp"

# A test of the pool; its methods are sentences.
class PoolTest < Minitest::Test
  LIMIT = 40 # seconds

  def run
    Timeout.timeout(self.class::LIMIT) { super }
  end

  # A pull pool and its queue; nothing prewarmed unless asked for.
  def pull(**options)
    queue = Ncp::Queue.new
    options = { target: TCP, driver: "pull", queue: queue, min_connections: 0 }.merge(options)
    [Ncp::Pool.new(**options), queue]
  end

  def push(**options)
    Ncp::Pool.new(**{ target: TCP, min_connections: 0 }.merge(options))
  end

  # A socket object of a descriptor, which stays the pool's.
  def io(descriptor)
    socket = Socket.for_fd(descriptor)
    socket.autoclose = false
    socket
  end

  # Sends a text and reads it back.
  def ask(descriptor, text)
    socket = io(descriptor)
    assert_equal text.bytesize, socket.send(text, 0)
    got = +""
    got << socket.recv(text.bytesize - got.bytesize) while got.bytesize < text.bytesize
    assert_equal text, got
  end

  def dial(pool, event)
    assert_equal Ncp::EVENT_DIAL, event.type
    fd = pool.dial_target(event.protocol, event.ip, event.timeout_ms)
    pool.fulfil(event.lease, fd)
  end

  # An event CONN, whatever is to be done before.
  def borrow(pool, **options)
    event = pool.acquire(flags: Ncp::FLAG_DIALS, **options)
    event = dial(pool, event) if event.type == Ncp::EVENT_DIAL
    assert_equal Ncp::EVENT_CONN, event.type
    event
  end

  # Closes what a queue wants to have closed; how many that were.
  def close_all(queue)
    closed = 0
    until (events = queue.poll).empty?
      events.each do |event|
        next unless event.type == Ncp::EVENT_CLOSE

        IO.for_fd(event.fd).close
        closed += 1
      end
    end
    closed
  end

  # Closes a pool and everything it has.
  def shut(pool, queue)
    pool.close
    closed = close_all(queue)
    pool.free
    closed
  end

  def descriptors
    Dir.children("/proc/self/fd").size
  end

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end
