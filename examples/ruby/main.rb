# A pool in Ruby: threads share a few sockets, which Ruby itself dials.
#
#     ruby main.rb TARGET       an echo server, such as tcp://127.0.0.1:7
#
# -I has to say where ncp.rb and ncp.so are.
require "ncp"
require "socket"

THREADS = 16
REQUESTS = 50
CONNECTIONS = 4

# Sockets of Ruby (TLS ones would do as well) in a pool. The pool decides, this host
# dials and closes.
class SocketPool
  def initialize(host, port, **options)
    @host = host
    @port = port
    @queue = Ncp::Queue.new
    @pool = Ncp::Pool.new(driver: "pull", queue: @queue, **options)
    @sockets = {} # by their handle
  end

  # Lends a socket to the block. What leaves it by an exception is closed.
  def with
    event = borrow
    begin
      result = yield @sockets.fetch(event.handle)
      @pool.put(event.lease)
      event = nil
      result
    ensure
      @pool.discard(event.lease) if event
      do_what_is_due
    end
  end

  def stats
    @pool.stats
  end

  def close
    @pool.close
    do_what_is_due
    @pool.close_wait(5000)
  end

  private

  def borrow
    event = @pool.acquire(flags: Ncp::FLAG_DIALS)
    loop do
      case event.type
      when Ncp::EVENT_CONN then return event
      when Ncp::EVENT_DIAL then event = dial(event)
      when Ncp::EVENT_PENDING then event = @pool.ticket_wait(event.ticket, -1)
      else raise IOError, "no connection: #{Ncp.status_text(event.status)}"
      end
    end
  end

  # For a caller that needs it, or because the pool wants one more.
  def dial(event)
    socket = Socket.tcp(@host, @port, connect_timeout: event.timeout_ms / 1000.0)
    socket.setsockopt(:TCP, :NODELAY, true)
    @sockets[socket.object_id] = socket
    @pool.fulfil(event.lease, socket, handle: socket.object_id)
  rescue SystemCallError => e
    @pool.fail(event.lease, e)
  end

  # Work of the pool itself. A program that is idle for long waits for the queue
  # (or for @pool.next_due_ms) in a thread that does this.
  def do_what_is_due
    @pool.work if @pool.next_due_ms.zero?
    @queue.poll.each do |event|
      case event.type
      when Ncp::EVENT_CLOSE then @sockets.delete(event.handle).close
      when Ncp::EVENT_DIAL then dial(event)
      when Ncp::EVENT_CHECK then @pool.checked(event.lease, Ncp.fd_alive(event.fd))
      end
    end
  end
end

host, port = ARGV.fetch(0).delete_prefix("tcp://").split(":")
pool = SocketPool.new(host, port, max_connections: CONNECTIONS)
threads = Array.new(THREADS) do |number|
  Thread.new do
    Array.new(REQUESTS) do |i|
      text = "thread #{number}, request #{i}\n"
      pool.with do |socket|
        socket.write(text)
        socket.gets == text
      end
    end
  end
end
good = threads.flat_map(&:value).count(true)
stats = pool.stats
pool.close
puts "#{good} requests of #{THREADS} threads over #{stats[:created]} connections"
exit good == THREADS * REQUESTS && stats[:created] <= CONNECTIONS
