/*
 * ncp-echo: the echo server of the examples as a program.
 *
 *   ncp-echo                      serve until interrupted
 *   ncp-echo COMMAND [ARGUMENT...]  serve while COMMAND runs, end with its
 *                                 status; "{tcp}" and "{udp}" among its
 *                                 arguments become the targets
 */
#include "echo_server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int serve_until_interrupted(void)
{
    sigset_t signals;
    int signal_number;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigwait(&signals, &signal_number);
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
        status = serve_until_interrupted();
    } else {
        status = serve_while(argv + 1, server);
    }
    echo_server_stop(server);
    return status;
}
