/*
 * Accept without waiting, whatever the mode of the listener.
 *
 * A listener that poll(2) found ready may be empty again when accept(2) looks:
 * another pool, thread or process was faster, and a listener in blocking mode
 * then keeps the caller until the next client. (A client that leaves is not the
 * cause on Linux: its connection stays in the queue.) Whether accept blocks is
 * decided by O_NONBLOCK of the open file alone. dup shares that file, a socket
 * cannot be opened a second time, accept4 has no flag for it, and changing the
 * mode would change it for everybody. Hence three ways, best first:
 *
 * 1. The listener does not block (ncp_listen() makes such ones): accept4.
 * 2. Ring: io_uring tries an accept without waiting on its own account and
 *    takes it back when nobody is there. Exact, and nobody else notices. Some
 *    sandboxes refuse io_uring.
 * 3. Turn: whoever holds a record lock on the listener looks again, then
 *    accepts. That is exact among all users of this library, in every process.
 *    Against others a short receive timeout stands behind it for the few
 *    microseconds of the accept; should one of them call accept on the empty
 *    listener just then, it may see EAGAIN, or accept a client that inherited
 *    the timeout. That is why it comes last.
 *
 * A thread that is left in a blocking accept was no choice: it takes a client
 * that nobody wants any more.
 */
#ifndef NCP_NET_ACCEPT_NOW_H
#define NCP_NET_ACCEPT_NOW_H

/* A new descriptor, blocking and close-on-exec, or minus the errno; -EAGAIN
 * when nobody is there or it is another's turn. */
int ncp__accept_now(int listener_fd);

/* The three ways, for listeners that poll found ready. */
int ncp__accept_plain(int listener_fd);
int ncp__accept_ring(int listener_fd); /* -ENOSYS: take another way */
int ncp__accept_turn(int listener_fd);

#endif
