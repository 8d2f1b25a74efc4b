# netconnpool for Ruby: the pool as objects with methods.
#
# SPDX-License-Identifier: BSD-3-Clause
#
#     require "ncp"
#     queue = Ncp::Queue.new
#     pool = Ncp::Pool.new(target: "tcp://127.0.0.1:7", driver: "pull",
#                          queue: queue, max_connections: 4)
#     event = pool.acquire(flags: Ncp::FLAG_DIALS)
#
# The names are those of netconnpool.h: ncp_pool_close(pool) is pool.close,
# ncp_ticket_take(pool, ticket) is pool.ticket_take(ticket), NCP_EVENT_CONN is
# Ncp::EVENT_CONN, and a function of no object is Ncp.target_check. What C gives
# through `out` is returned. What fails raises an Ncp::Error: Ncp::ETIMEOUT,
# Ncp::EDIAL, ... with status and, when a dial or a hook failed, its code. nil
# stands for "not yet" (NCP_EAGAIN). Wrong arguments raise a TypeError, RangeError or
# ArgumentError; what was freed raises an Ncp::FreedError.
require "ncp.so"

module Ncp
  # ------------------------------------------------------- names of the header

  constants.grep(/\ANCP_(?!E[A-Z]+\z|OK\z)/).each do |name|
    const_set(name.to_s.delete_prefix("NCP_"), const_get(name))
  end

  # ------------------------------------------------------------ configurations

  # Options of pools, by name.
  class Config
    # Options as keywords; `mode: "server"` for a pool that accepts.
    def self.new(mode: "client", **options)
      server = mode.to_s == "server"
      config = Ncp.ncp_config_new(server ? MODE_SERVER : MODE_CLIENT)
      options.each { |name, value| config.set(name, value) }
      config
    end

    # Sets an option: a text as the library reads it, a number (durations are
    # milliseconds), true or false; a Queue for :queue, a Clock for :clock.
    def set(name, value)
      case name.to_sym
      when :queue then set_queue(value)
      when :clock then set_clock(value)
      else Ncp.ncp_config_set(self, name.to_s, value.to_s)
      end
    end
    alias []= set

    # The value of an option as text.
    def get(name)
      Ncp.ncp_config_get(self, name.to_s)
    end
    alias [] get
  end

  # ------------------------------------------------------------------- objects

  # Events of pull pools.
  class Queue
    def self.new
      Ncp.ncp_queue_new
    end

    # Events that are there.
    def poll(max = EVENTS)
      Ncp.ncp_queue_poll(self, max)
    end

    # Events, once there is one or the time has passed (nil: no limit). Other
    # threads go on meanwhile.
    def wait(timeout_ms = nil, max = EVENTS)
      Ncp.ncp_queue_wait(self, max, timeout_ms || -1)
    end
  end

  # How many events come out of a queue at once.
  EVENTS = 64

  # Gives back what somebody held who vanished.
  class Guard
    def self.new
      Ncp.ncp_guard_new
    end

    def hold(pool, lease: 0, ticket: 0)
      Ncp.ncp_guard_hold(self, pool, lease, ticket)
    end

    def drop(pool, lease: 0, ticket: 0)
      Ncp.ncp_guard_drop(self, pool, lease, ticket)
    end
  end

  # A clock that stands still until it is set; for tests.
  class Clock
    def self.new
      Ncp.ncp_clock_new
    end
  end

  # What is to be done, or has been done.
  class Event
    # The pool it is about; nil when this program has no object of it.
    def pool
      Pool.living[pool_key] || Pool.rediscover(pool_key)
    end

    def inspect
      names = Event.instance_methods(false) - %i[inspect pool pool_key]
      fields = names.map { |name| "#{name}=#{public_send(name)}" }
      "#<Ncp::Event #{fields.join(' ')}>"
    end
  end

  # A living pool of this process by its name.
  def self.find(name)
    Pool.known(ncp_pool_find(name))
  end

  # --------------------------------------------------------------------- pools

  # Lends connections.
  class Pool
    @living = ObjectSpace::WeakMap.new # by key

    class << self
      attr_reader :living

      # A pool of a Config, or of options as keywords.
      def new(config = nil, **options)
        known(Ncp.ncp_pool_new(config || Config.new(**options)))
      end

      # Addresses are used again: the latest object is meant.
      def known(pool)
        old = living[pool.key]
        living[pool.key] = pool if old.nil? || old.freed?
        pool
      end

      # A compaction of Ruby 3.1 may lose what a weak map had.
      def rediscover(key)
        found = ObjectSpace.each_object(self).find do |pool|
          !pool.freed? && pool.key == key
        end
        living[key] = found if found
        found
      end
    end

    def freed?
      key.zero?
    rescue FreedError
      true
    end

    def closed?
      Ncp.ncp_pool_is_closed(self)
    end

    # Asks for a connection and answers with an Event (driver pull). The queue
    # is told when a ticket is decided; without one there is ticket_wait.
    def acquire(queue: nil, protocol: 0, ip: 0, timeout_ms: TIMEOUT_DEFAULT,
                tag: 0, flags: 0)
      Ncp.ncp_pool_acquire(self, queue, protocol, ip, timeout_ms, tag, flags)
    end

    # Waits for a connection and answers with an Event CONN (driver push). Other
    # threads go on meanwhile.
    def borrow(protocol: 0, ip: 0, timeout_ms: TIMEOUT_DEFAULT, tag: 0)
      Ncp.ncp_pool_borrow(self, protocol, ip, timeout_ms, tag)
    end

    # The dial of a reservation succeeded. `made` is a socket or a descriptor;
    # protocol and IP version are found out, and the handle is the descriptor,
    # where they are not given.
    def fulfil(reservation, made = -1, **known)
      Ncp.ncp_pool_fulfil(self, reservation, *connection(made, **known))
    end

    # The dial of a reservation has ended, and a hook of the host goes on; then
    # fulfil or fail. Returns the id of the connection.
    def dialed(reservation, made = -1, **known)
      Ncp.ncp_pool_dialed(self, reservation, *connection(made, **known))
    end

    # The holder replaced the connection by a new one.
    def lease_renew(lease, made = -1, **known)
      Ncp.ncp_lease_renew(self, lease, *connection(made, **known))
    end

    # The dial of a reservation failed, perhaps with an exception.
    def fail(reservation, error = nil, status: NCP_EDIAL, code: 0)
      code = error.errno if code.zero? && error.respond_to?(:errno)
      Ncp.ncp_pool_fail(self, reservation, status, code, error&.to_s)
    end

    # Gives a connection back and takes events of a queue out in the same call.
    # Returns the events, and nil or the Error of the put.
    def release(lease, flags: 0, queue: nil, max: EVENTS)
      Ncp.ncp_pool_release(self, lease, flags, queue, max)
    end

    # Changes an option of a living pool: a name or a number of the header, and a
    # number.
    def set(option, value)
      Ncp.ncp_pool_set(self, option_of(option), value)
    end

    # The value that an option has in this pool.
    def option(option)
      Ncp.ncp_pool_option(self, option_of(option))
    end

    # The last failed dial: {code:, age_ms:, count:, text:}; or nil.
    def dial_error
      found = Ncp.ncp_pool_dial_error(self)
      found && %i[code age_ms count text].zip(found).to_h
    end

    # Ends a wait in line; it counts as cancelled, or as timed out.
    def ticket_abandon(ticket, status = NCP_ECANCELED)
      Ncp.ncp_ticket_abandon(self, ticket, status)
    end

    private

    def option_of(option)
      option.is_a?(Integer) ? option : Ncp.ncp_option_find(option.to_s)
    end

    def connection(made, handle: nil, protocol: nil, ip: nil)
      fd = made.respond_to?(:fileno) ? made.fileno : made
      found = fd >= 0 && !(protocol && ip) ? Ncp.fd_detect(fd) : [0, 0]
      [handle || fd, fd, protocol || found[0], ip || found[1]]
    end
  end

  # ------------------------------------------------------ functions of the header

  # The class that has the methods of a prefix.
  CLASSES = {
    "pool" => Pool, "config" => Config, "queue" => Queue, "guard" => Guard,
    "clock" => Clock, "lease" => Pool, "ticket" => Pool
  }.freeze
  # There are better ways above.
  HIDDEN = %i[new find ref is_closed].freeze
  private_constant :CLASSES, :HIDDEN

  def self.add_method(place, name, function)
    return if HIDDEN.include?(name.to_sym) || place.method_defined?(name, false)

    place.define_method(name) { |*given| Ncp.__send__(function, self, *given) }
  end

  def self.add_function(function)
    name = function.to_s.delete_prefix("ncp_")
    of, rest = name.split("_", 2)
    place = CLASSES[of]
    if place.nil?
      define_singleton_method(name) { |*given| __send__(function, *given) }
    else
      add_method(place, %w[lease ticket].include?(of) ? name : rest, function)
    end
  end
  private_class_method :add_method, :add_function

  singleton_methods.grep(/\Ancp_/).each { |function| add_function(function) }
end
