/*
 * ncp-echo: the echo server of the examples as a program.
 *
 *   ncp-echo                      serve until interrupted; each line that comes
 *                                 in is answered with the number of TCP
 *                                 connections accepted so far
 *   ncp-echo COMMAND [ARGUMENT...]  serve while COMMAND runs, end with its
 *                                 status; "{tcp}" and "{udp}" among its
 *                                 arguments become the targets
 */
#include "echo_server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* Answers what came in; false at its end. */
static bool answer(const struct echo_server *server)
{
    char line[64];
    ssize_t n = read(STDIN_FILENO, line, sizeof line);
    for (ssize_t i = 0; i < n; i++)
        if (line[i] == '\n')
            printf("%lu\n", echo_server_accepted(server));
    fflush(stdout);
    return n > 0;
}

static int serve_until_interrupted(const struct echo_server *server,
                                   const sigset_t *signals)
{
    struct pollfd wanted[] = {
        {.fd = signalfd(-1, signals, SFD_CLOEXEC), .events = POLLIN},
        {.fd = STDIN_FILENO, .events = POLLIN},
    };
    while (wanted[0].revents == 0) {
        if (poll(wanted, 2, -1) < 0 && errno != EINTR)
            return 1;
        if (wanted[1].revents != 0 && !answer(server))
            wanted[1].fd = -1; /* nobody asks any more */
    }
    return 0;
}

static int serve_while(char **command, const struct echo_server *server)
{
    char tcp[64], udp[64];
    snprintf(tcp, sizeof tcp, "%s", echo_server_tcp(server));
    snprintf(udp, sizeof udp, "%s", echo_server_udp(server));
    for (char **argument = command; *argument != NULL; argument++) {
        if (strcmp(*argument, "{tcp}") == 0)
            *argument = tcp;
        if (strcmp(*argument, "{udp}") == 0)
            *argument = udp;
    }
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        return 1;
    }
    if (child == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        execvp(command[0], command);
        fprintf(stderr, "%s: %s\n", command[0], strerror(errno));
        _exit(127);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFSIGNALED(status))
        fprintf(stderr, "%s: %s\n", command[0], strsignal(WTERMSIG(status)));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    if (argc < 2)
        pthread_sigmask(SIG_BLOCK, &signals, NULL);

    struct echo_server *server = echo_server_start();
    if (server == NULL) {
        perror("echo server");
        return 1;
    }
    int status;
    if (argc < 2) {
        printf("%s\n%s\n", echo_server_tcp(server), echo_server_udp(server));
        fflush(stdout);
        status = serve_until_interrupted(server, &signals);
    } else {
        status = serve_while(argv + 1, server);
    }
    echo_server_stop(server);
    return status;
}
